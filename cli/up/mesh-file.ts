import { dirname, resolve } from 'node:path';
import type { Issue } from '../../lib/issues.ts';
import { didYouMean } from '../../policies/did-you-mean.ts';
import type { Resource } from '../../policies/resource.ts';
import { exit, Failure } from '../failure.ts';
import { type Found, invalid, readSound } from '../files.ts';
import type { WorkloadSpec } from './workload.ts';

/** One process that is to run. */
export interface Workload extends WorkloadSpec {
  readonly name: string;
  readonly namespace: string;
  /** Where its command runs: the folder of its file. */
  readonly folder: string;
}

export interface Mesh {
  readonly resources: readonly Found[];
  readonly workloads: readonly Workload[];
}

/** Reads the resources and the processes of mesh files. Throws Failure with every problem. */
export async function readMesh(paths: readonly string[]): Promise<Mesh> {
  const { resources, workloads } = await readSound(paths);
  const services = resources
    .filter(({ resource }) => resource.kind === 'Service')
    .map(({ resource }) => resource.metadata);
  const issues: Issue[] = [];
  for (const { file, resource, position } of workloads) {
    const { service } = (resource as Resource<WorkloadSpec>).spec;
    const known = services.filter(({ namespace }) => namespace === resource.metadata.namespace).map(({ name }) => name);
    if (known.includes(service)) continue;
    const message = `no Service '${service}' is declared${didYouMean(service, known) || '; add one'}`;
    issues.push({ path: 'spec.service', message, file, ...position('spec.service') });
  }
  if (issues.length > 0) throw invalid(issues, '; nothing was started');
  if (workloads.length === 0)
    throw new Failure(
      exit.no,
      `${paths.join(', ')}: no Workload, so there is nothing to run; add one, or use 'weft apply'`,
    );
  return {
    resources,
    workloads: workloads.map(({ file, resource }) => ({
      ...(resource as Resource<WorkloadSpec>).spec,
      name: resource.metadata.name,
      namespace: resource.metadata.namespace,
      folder: file === '<stdin>' ? process.cwd() : resolve(dirname(file)),
    })),
  };
}

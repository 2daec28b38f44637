/** Resources as people write them, for tests. */
export const service = (name: string, namespace = 'default'): object => ({
  apiVersion: 'weft.dev/v1',
  kind: 'Service',
  metadata: { name, namespace },
  spec: { ports: [{ port: 80, protocol: 'http' }] },
});

export const route = (name: string, parent: string, backend: string): object => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name },
  spec: { parentRefs: [{ kind: 'Service', name: parent }], rules: [{ backendRefs: [{ name: backend, port: 80 }] }] },
});

export const retries = (name: string, target: string, spec: object = { retries: 3 }): object => ({
  apiVersion: 'weft.dev/v1',
  kind: 'RetryPolicy',
  metadata: { name },
  spec: { targetRefs: [{ kind: 'Service', name: target }], ...spec },
});

export const key = (kind: string, name: string, namespace = 'default') => ({ kind, namespace, name });

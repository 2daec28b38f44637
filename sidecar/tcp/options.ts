import { parseAddress } from '../../lib/address.ts';
import { choice, type Option, type Values } from '../../lib/options.ts';
import { isName } from '../../lib/spiffe.ts';
import { serviceKey } from '../../policies/resource.ts';
import type { UpstreamSpec } from './upstreams.ts';

/** As they were given; a service without a namespace is one of our own. */
type Given = readonly { readonly service: string; readonly address: UpstreamSpec['address'] }[];

const upstreams: Option<Given> = {
  describe: 'local addresses that lead to one service each; may be repeated',
  value: 'NAME=ADDRESS,…',
  expects: 'NAME=ADDRESS, such as db=127.0.0.1:5432 or shop/cart=unix:PATH, or several with commas between them',
  repeats: true,
  parse(text) {
    const list = text.split(',').map((one) => {
      const [, service = '', where = ''] = /^\s*([^=]*?)\s*=\s*(.*?)\s*$/.exec(one) ?? [];
      const address = parseAddress(where);
      const parts = service.split('/');
      return address === undefined || parts.length > 2 || !parts.every(isName) ? undefined : { service, address };
    });
    return list.every((one) => one !== undefined) ? list : undefined;
  },
};

const callers: Option<readonly string[]> = {
  describe: 'callers that may open TCP connections to the service; everyone of the mesh unless given',
  value: 'NAME,…',
  expects: 'names of services, such as cart or shop/reports, with commas between them',
  repeats: true,
  parse(text) {
    const list = text.split(',').map((one) => one.trim());
    return list.every((one) => one.split('/').length <= 2 && one.split('/').every(isName)) ? list : undefined;
  },
};

/** The settings of what is passed on without being looked at. */
export const tcpOptions = {
  'app-protocol': choice(
    'what the service itself speaks; auto: as its resource says, else HTTP; detect: as the first octets say',
    ['auto', 'http', 'http2', 'grpc', 'tcp', 'detect'],
    'auto',
  ),
  upstream: upstreams,
  'tcp-allow': callers,
};

const keyed = (service: string, namespace: string): string =>
  service.includes('/') ? service : serviceKey(namespace, service);

/** The callers that the settings let in, as `namespace/name`; undefined: everyone of the mesh. */
export const tcpAllowOf = (values: Values<typeof tcpOptions>, namespace: string): readonly string[] | undefined =>
  values['tcp-allow']?.map((name) => keyed(name, namespace));

/** The upstreams that the settings ask for. */
export const upstreamsOf = (values: Values<typeof tcpOptions>, namespace: string): readonly UpstreamSpec[] =>
  (values.upstream ?? []).map(({ service, address }) => ({
    service: keyed(service, namespace),
    address,
  }));

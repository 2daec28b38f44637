import type { HttpExchange } from './exchange.ts';

/**
 * What the app is told of its caller, as fields. Over the mesh the caller is the other sidecar's app: what that said of
 * those before it (`earlier`) is kept; a stranger's word is not. `own`: our SPIFFE ID.
 */
function callerFields(
  caller: { readonly peer: string; readonly address: string },
  own: string,
  earlier = '',
): readonly (readonly [name: string, value: string])[] {
  const first = ['x-forwarded-for', earlier === '' ? caller.address : `${earlier}, ${caller.address}`] as const;
  if (caller.peer === '') return [first, ['x-forwarded-proto', 'http']];
  return [first, ['x-forwarded-client-cert', `By=${own};URI=${caller.peer}`]];
}

/** Of the caller of this exchange. */
export function forwardedFields(ex: HttpExchange): readonly (readonly [name: string, value: string])[] {
  const earlier = ex.peer === '' ? '' : ex.request.all('x-forwarded-for').join(', ');
  return callerFields(ex.downstream, ex.context.spiffeId(), earlier);
}

/** The same as whole field lines of HTTP/1.1. */
export const forwardedText = (
  caller: { readonly peer: string; readonly address: string },
  own: string,
  earlier = '',
): string =>
  callerFields(caller, own, earlier)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');

import { status } from '@grpc/grpc-js';

export type RefusalCode =
  | 'INVALID_ARGUMENT'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'UNAUTHENTICATED'
  | 'UNAVAILABLE';

/** Why a stream ends. The sidecar is told code and message. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }

  /** As gRPC wants it. */
  get status(): { readonly code: number; readonly details: string } {
    return { code: status[this.code], details: this.message };
  }
}

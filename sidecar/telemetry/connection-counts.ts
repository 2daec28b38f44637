import type { ConnectionStats } from './telemetry.ts';

/** Reasons come from a closed set; should one leak something of a peer, it does not grow without bound. */
const maxReasons = 32;

/** Connections and handshakes of one direction and end. */
export class ConnectionCounts implements ConnectionStats {
  readonly direction: 'inbound' | 'outbound';
  readonly end: 'downstream' | 'upstream';
  open = 0;
  openedTotal = 0;
  handshakesOk = 0;
  readonly handshakesFailed = new Map<string, number>();

  constructor(direction: 'inbound' | 'outbound', end: 'downstream' | 'upstream') {
    this.direction = direction;
    this.end = end;
  }

  opened(): void {
    this.open++;
    this.openedTotal++;
  }

  closed(): void {
    this.open--;
  }

  handshake(ok: boolean, reason: string): void {
    if (ok) {
      this.handshakesOk++;
      return;
    }
    const failed = this.handshakesFailed;
    const name = failed.has(reason) || failed.size < maxReasons ? reason : 'other';
    failed.set(name, (failed.get(name) ?? 0) + 1);
  }
}

/**
 * When a lane has sent to and received from each peer by a session, in shared
 * memory: one writer, the lane. The main thread turns that into the events that
 * the timers of the sessions want.
 */

import { NODES_MAX } from "../base/limits.ts";

/** A lane's cells, one for each peer. Times are milliseconds; 0: never. */
export interface LaneActivity {
  /** When data was sent last. */
  readonly sent_ms: Float64Array;
  /** When data was received last, authentic and no replay. */
  readonly dataReceived_ms: Float64Array;
  /** The same, keepalives too. */
  readonly received_ms: Float64Array;
  /** Index of the session that was received by last. */
  readonly receivedBy: Int32Array;
}

/** Bytes of shared memory for one lane's activity. */
export const LANE_ACTIVITY_BYTES: number = NODES_MAX * (3 * 8 + 4);

/** Views of one lane's activity in its shared memory. */
export function laneActivity(buffer: ArrayBufferLike): LaneActivity {
  return {
    sent_ms: new Float64Array(buffer, 0, NODES_MAX),
    dataReceived_ms: new Float64Array(buffer, 8 * NODES_MAX, NODES_MAX),
    received_ms: new Float64Array(buffer, 16 * NODES_MAX, NODES_MAX),
    receivedBy: new Int32Array(buffer, 24 * NODES_MAX, NODES_MAX),
  };
}

/** Who wants to know. */
export interface ActivityListener {
  /** Data was sent. */
  sent(peer: number, at_ms: number): void;
  /** Data, or else a keepalive, was received by the session of that index. */
  received(peer: number, at_ms: number, data: boolean, index: number): void;
}

/** The main thread's side: tells what has happened since it looked last, in the order of time. */
export class ActivityReader {
  readonly #sent_ms = new Float64Array(NODES_MAX);
  readonly #data_ms = new Float64Array(NODES_MAX);
  readonly #received_ms = new Float64Array(NODES_MAX);

  /** Reads what these lanes write. */
  constructor(readonly lanes: readonly LaneActivity[]) {}

  /** Looks at the peers below `peerCount`. */
  poll(peerCount: number, listener: ActivityListener): void {
    for (let peer = 0; peer < peerCount; peer++) {
      let [sent_ms, data_ms, received_ms, index] = [0, 0, 0, 0];
      for (const lane of this.lanes) {
        sent_ms = Math.max(sent_ms, lane.sent_ms[peer]!);
        data_ms = Math.max(data_ms, lane.dataReceived_ms[peer]!);
        const last_ms = lane.received_ms[peer]!;
        if (last_ms > received_ms) index = lane.receivedBy[peer]! >>> 0;
        received_ms = Math.max(received_ms, last_ms);
      }
      const sent = sent_ms > this.#sent_ms[peer]!;
      const data = data_ms > this.#data_ms[peer]!;
      const any = received_ms > this.#received_ms[peer]!;
      // At the same time: sent first. An answer that was none costs a keepalive, a missing one more.
      if (sent && (sent_ms <= data_ms || !data)) listener.sent(peer, sent_ms);
      if (data) listener.received(peer, data_ms, true, index);
      if (sent && data && sent_ms > data_ms) listener.sent(peer, sent_ms);
      if (any && received_ms > data_ms) listener.received(peer, received_ms, false, index);
      this.#sent_ms[peer] = sent_ms;
      this.#data_ms[peer] = data_ms;
      this.#received_ms[peer] = received_ms;
    }
  }

  /** A peer's number is somebody else's now, from that time on. */
  forget(peer: number, now_ms: number): void {
    this.#sent_ms[peer] = this.#data_ms[peer] = this.#received_ms[peer] = now_ms;
  }
}

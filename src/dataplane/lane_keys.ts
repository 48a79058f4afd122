/** What a lane needs of each session to seal and to open by it, by the session's place. */

import type { Aead, Opener, Sealer } from "../aead/aead.ts";
import { ReplayWindow } from "../aead/replay.ts";
import type { SessionKeeper } from "../forwarding/lane_sessions.ts";
import type { SendCounters } from "../forwarding/send_counters.ts";
import { SESSION_PLACES } from "../forwarding/session_index.ts";

/** The keys of one lane: comes and goes with the sessions that it takes up. */
export class LaneKeys implements SessionKeeper {
  readonly #sealers: (Sealer | undefined)[] = Array(SESSION_PLACES).fill(undefined);
  readonly #openers: (Opener | undefined)[] = Array(SESSION_PLACES).fill(undefined);
  readonly #windows: (ReplayWindow | undefined)[] = Array(SESSION_PLACES).fill(undefined);

  /** Keys for `aead`; `counters` are this lane's. */
  constructor(readonly aead: Aead, readonly counters: SendCounters) {}

  opened(place: number, sendKey: Uint8Array, receiveKey: Uint8Array): void {
    this.counters.reset(place);
    this.#sealers[place] = this.aead.sealer(sendKey);
    this.#openers[place] = this.aead.opener(receiveKey);
    this.#windows[place] = new ReplayWindow();
  }

  closed(place: number): void {
    this.#sealers[place]!.erase();
    this.#openers[place]!.erase();
    this.#sealers[place] = this.#openers[place] = this.#windows[place] = undefined;
  }

  /** Seals by the session of a place that is in use. */
  sealer(place: number): Sealer {
    return this.#sealers[place]!;
  }

  /** Opens by it. */
  opener(place: number): Opener {
    return this.#openers[place]!;
  }

  /** Which of its counters have come. */
  window(place: number): ReplayWindow {
    return this.#windows[place]!;
  }
}

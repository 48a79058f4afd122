/** The time of day, to the nanosecond: clock_gettime(2). */

import { CLOCK_REALTIME } from "../../ffi/file.ts";
import { libc } from "../../ffi/libc.ts";

/** A clock that is read without allocating: `read`, then look at its fields. */
export class WallClock {
  readonly #libc = libc();
  readonly #timespec = new Uint8Array(16);
  readonly #words = new Uint32Array(this.#timespec.buffer);

  /** Takes the time. */
  read(): void {
    this.#libc.call.clock_gettime(CLOCK_REALTIME, this.#timespec);
  }

  /** Seconds since the Unix epoch: struct timespec's tv_sec, a 64-bit number. */
  get seconds(): number {
    return this.#words[1]! * 0x1_0000_0000 + this.#words[0]!;
  }

  get nanoseconds(): number {
    return this.#words[2]!;
  }
}

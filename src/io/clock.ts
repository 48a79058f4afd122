/** Clocks of the host: clock_gettime(2). */

import { CLOCK_BOOTTIME, CLOCK_REALTIME } from "../../ffi/file.ts";
import { libc } from "../../ffi/libc.ts";

/**
 * Milliseconds since the host was started, the time that it was suspended included, the same for
 * all threads: sessions end in time though their host has slept.
 */
export class BootClock {
  readonly #libc = libc();
  readonly #timespec = new Uint8Array(16);
  readonly #words = new Uint32Array(this.#timespec.buffer);

  /** The time now. Seconds have 32 bits: 136 years. */
  now_ms(): number {
    this.#libc.call.clock_gettime(CLOCK_BOOTTIME, this.#timespec);
    return this.#words[0]! * 1000 + this.#words[2]! / 1e6;
  }
}

/** The time of day, to the nanosecond, read without allocating: `read`, then look at its fields. */
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

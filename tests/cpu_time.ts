/** What a computation costs, however busy the machine is: tests run side by side. */

import { CLOCK_THREAD_CPUTIME_ID, TIMESPEC } from "../ffi/file.ts";
import { libc } from "../ffi/libc.ts";

const timespec = new Uint8Array(TIMESPEC.size);
const view = new DataView(timespec.buffer);

/** Processor time that this thread has had so far. */
export function cpuTime_ms(): number {
  libc().call.clock_gettime(CLOCK_THREAD_CPUTIME_ID, timespec);
  const seconds = Number(view.getBigInt64(TIMESPEC.seconds, true));
  return seconds * 1_000 + Number(view.getBigInt64(TIMESPEC.nanoseconds, true)) / 1e6;
}

/**
 * How a lane sleeps, and how the main thread wakes it: poll(2) and eventfd(2).
 * io_uring and spinning before poll were measured and lost: tests/bench/README.md.
 */

import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  POLLERR,
  POLLFD,
  POLLHUP,
  POLLIN,
  POLLNVAL,
} from "../../ffi/file.ts";
import { libc, pointerTo } from "../../ffi/libc.ts";
import { type Wait, WAIT_BROKEN } from "./wait.ts";

/** Makes an eventfd; throws a SyscallError. The caller closes it. */
export function openEvent(): number {
  const { call, check } = libc();
  return check("eventfd", call.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

/** Wakes the lane that waits on this eventfd. */
export function signalEvent(eventFd: number): void {
  const one = new Uint8Array(new BigUint64Array([1n]).buffer);
  libc().call.write(eventFd, pointerTo(one), 8);
}

/** Waits on the descriptors and the eventfd. */
export class PollWait implements Wait {
  readonly #set: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #drain = new Uint8Array(8);
  readonly #drainPointer = pointerTo(this.#drain);
  readonly #libc = libc();
  readonly #count: number;

  constructor(fds: readonly number[], readonly eventFd: number) {
    const all = [...fds, eventFd];
    this.#count = all.length;
    this.#set = new Uint8Array(all.length * POLLFD.size);
    this.#view = new DataView(this.#set.buffer);
    all.forEach((fd, i) => {
      this.#view.setInt32(i * POLLFD.size + POLLFD.fd, fd, true);
      this.#view.setInt16(i * POLLFD.size + POLLFD.events, POLLIN, true);
    });
  }

  poll(): number {
    // A negative result is EINTR: nothing is known, so the caller looks around and comes again.
    if (this.#libc.call.poll(this.#set, this.#count, -1) <= 0) return 0;
    const sources = this.#count - 1;
    if (this.#view.getInt16(sources * POLLFD.size + POLLFD.revents, true) !== 0) {
      this.#libc.call.read(this.eventFd, this.#drainPointer, 8);
    }
    let ready = 0;
    for (let i = 0; i < sources; i++) {
      const events = this.#view.getInt16(i * POLLFD.size + POLLFD.revents, true);
      if ((events & POLLIN) !== 0) ready |= 1 << i;
      else if ((events & (POLLERR | POLLHUP | POLLNVAL)) !== 0) return WAIT_BROKEN;
    }
    return ready;
  }
}

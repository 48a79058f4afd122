/** How a lane sleeps, and how the main thread wakes it: poll(2) and eventfd(2). */

import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  POLLERR,
  POLLFD,
  POLLHUP,
  POLLIN,
  POLLNVAL,
} from "../../ffi/layout.ts";
import { libc, pointerTo } from "../../ffi/libc.ts";

/** What woke a lane. */
export interface Wait {
  /** Sleeps until a descriptor is readable or somebody wakes the lane. False: a descriptor is broken. */
  sleep(): boolean;
}

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

  sleep(): boolean {
    // A negative result is EINTR: the caller looks around and sleeps again.
    if (this.#libc.call.poll(this.#set, this.#count, -1) < 0) return true;
    const last = (this.#count - 1) * POLLFD.size;
    if (this.#view.getInt16(last + POLLFD.revents, true) !== 0) {
      this.#libc.call.read(this.eventFd, this.#drainPointer, 8);
    }
    for (let at = 0; at < last; at += POLLFD.size) {
      const events = this.#view.getInt16(at + POLLFD.revents, true);
      if ((events & (POLLERR | POLLHUP | POLLNVAL)) !== 0 && (events & POLLIN) === 0) return false;
    }
    return true;
  }
}

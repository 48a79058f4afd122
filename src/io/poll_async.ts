/** How the datagram engine sleeps on the main thread: poll(2) on a thread of Deno's pool. */

import { POLLERR, POLLFD, POLLHUP, POLLIN, POLLNVAL } from "../../ffi/file.ts";
import { libc, pointerTo } from "../../ffi/libc.ts";
import { openEvent, signalEvent } from "./poll.ts";

/** Sleeps until a descriptor has something to read. */
export class AsyncPollWait {
  readonly #eventFd = openEvent();
  readonly #set: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;

  constructor(fd: number) {
    this.#set = new Uint8Array(2 * POLLFD.size);
    this.#view = new DataView(this.#set.buffer);
    [fd, this.#eventFd].forEach((one, i) => {
      this.#view.setInt32(i * POLLFD.size + POLLFD.fd, one, true);
      this.#view.setInt16(i * POLLFD.size + POLLFD.events, POLLIN, true);
    });
  }

  /** Resolves when the descriptor is readable or after `wake`. False: the descriptor is broken. */
  async sleep(): Promise<boolean> {
    await libc().call.poll_async(pointerTo(this.#set), 2, -1);
    const events = this.#view.getInt16(POLLFD.revents, true);
    return (events & (POLLERR | POLLHUP | POLLNVAL)) === 0 || (events & POLLIN) !== 0;
  }

  /** Ends this sleep and every later one at once. */
  wake(): void {
    signalEvent(this.#eventFd);
  }

  /** Closes what this made; nobody may sleep any more. */
  close(): void {
    libc().call.close(this.#eventFd);
  }
}

/** A netlink socket of libc (netlink(7)). */

import { ERRNO } from "../../../ffi/errno.ts";
import { libc, SyscallError } from "../../../ffi/libc.ts";
import {
  NETLINK_CAP_ACK,
  NETLINK_EXT_ACK,
  NETLINK_GET_STRICT_CHK,
  SOL_NETLINK,
} from "../../../ffi/netlink.ts";
import {
  AF_NETLINK,
  MSG_TRUNC,
  SO_RCVTIMEO,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_SOCKET,
} from "../../../ffi/socket.ts";
import type { NetlinkSocket } from "./exchange.ts";

/** A message may be larger than the buffer, but no link or route takes this much. */
const BUFFER_MAX_BYTES = 16 * 1024 * 1024;

/** The kernel answers within the call that sends; only a lost answer makes anybody wait. */
const ANSWER_TIMEOUT_S = 5;

/** A receive that signals interrupt is begun anew so often. */
const INTERRUPTS_MAX = 16;

/** A netlink socket of libc. */
export class LinuxSocket implements NetlinkSocket {
  #fd = -1;
  #buffer: Uint8Array<ArrayBuffer>;

  /** `protocol` is one of NETLINK_*; a single message larger than the buffer makes it grow. */
  constructor(readonly protocol: number, buffer_bytes: number) {
    this.#buffer = new Uint8Array(buffer_bytes);
  }

  open(): void {
    const { call, check } = libc();
    this.#fd = check("socket", call.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, this.protocol));
    const on = new Int32Array([1]);
    // An old kernel may lack one: less comfort, same results.
    for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]) {
      call.setsockopt(this.#fd, SOL_NETLINK, option, on, on.byteLength);
    }
    // struct timeval: seconds, microseconds.
    const timeout = new BigInt64Array([BigInt(ANSWER_TIMEOUT_S), 0n]);
    call.setsockopt(this.#fd, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.byteLength);
  }

  close(): void {
    if (this.#fd >= 0) libc().call.close(this.#fd);
    this.#fd = -1;
  }

  send(message: Uint8Array<ArrayBuffer>): void {
    const { call, check } = libc();
    // A socket that is not connected sends to the kernel.
    check("send", call.send(this.#fd, message, message.length, 0));
  }

  receive(): Uint8Array | undefined {
    const { call, errno } = libc();
    for (let attempt = 0; attempt < INTERRUPTS_MAX; attempt++) {
      // With MSG_TRUNC, recv tells the whole length of what it cut.
      const size = call.recv(this.#fd, this.#buffer, this.#buffer.length, MSG_TRUNC);
      if (size >= 0 && size <= this.#buffer.length) return this.#buffer.subarray(0, size);
      if (size > BUFFER_MAX_BYTES) throw new SyscallError("recv", ERRNO.EMSGSIZE);
      if (size > 0) {
        this.#buffer = new Uint8Array(Math.min(BUFFER_MAX_BYTES, 2 * size));
        return undefined;
      }
      const code = errno();
      if (code === ERRNO.ENOBUFS) return undefined;
      if (code !== ERRNO.EINTR) throw new SyscallError("recv", code);
    }
    throw new SyscallError("recv", ERRNO.EINTR);
  }
}

/** A netlink socket that is opened once: a second one might be in another network namespace. */
export class PinnedSocket extends LinuxSocket {
  #opened = false;

  override open(): void {
    if (this.#opened) throw new SyscallError("socket", ERRNO.ENOBUFS);
    this.#opened = true;
    super.open();
  }
}

/** A raw socket for ICMP echo to one address, in the network namespace of the thread that opens it. */

import { ERRNO } from "../../ffi/errno.ts";
import { POLLFD, POLLIN } from "../../ffi/file.ts";
import { libc, SyscallError } from "../../ffi/libc.ts";
import { AF_INET, AF_INET6, MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_RAW } from "../../ffi/socket.ts";
import { type Echo, echoRequest, readEchoReply } from "../net/icmp_echo.ts";
import { PROTOCOL } from "../net/ip.ts";
import type { Address } from "../net/prefix.ts";
import { sockaddr } from "./sockaddr.ts";

/** More than any reply to an echo of ours. */
const PACKET_MAX_BYTES = 2048;

/** Sends echo requests to one address and takes what comes from it. Needs CAP_NET_RAW. */
export class EchoSocket {
  readonly #version: 4 | 6;
  readonly #fd: number;
  readonly #packet = new Uint8Array(PACKET_MAX_BYTES);
  readonly #pollfd = new Uint8Array(POLLFD.size);

  /** Throws a SyscallError where there is no socket, or no route to the address. */
  constructor({ version, bytes }: Address) {
    const { call, check } = libc();
    this.#version = version;
    const [family, protocol] = version === 4
      ? [AF_INET, PROTOCOL.icmp]
      : [AF_INET6, PROTOCOL.icmpv6];
    this.#fd = check("socket", call.socket(family, SOCK_RAW | SOCK_CLOEXEC, protocol));
    const view = new DataView(this.#pollfd.buffer);
    view.setInt32(POLLFD.fd, this.#fd, true);
    view.setInt16(POLLFD.events, POLLIN, true);
    const name = sockaddr(bytes, 0);
    try {
      check("connect", call.connect(this.#fd, name, name.length));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Sends a request. Throws a SyscallError if the kernel would not. */
  send(echo: Echo): void {
    const { call, check } = libc();
    const message = echoRequest(this.#version, echo);
    check("send", call.send(this.#fd, message, message.length, 0));
  }

  /**
   * The next reply, waited for so long; undefined if none came. Blocks the thread, so that nothing
   * else of it delays the time of a reply.
   */
  receive(timeout_ms: number): Echo | undefined {
    const { call, errno } = libc();
    const deadline_ms = performance.now() + timeout_ms;
    // Ends: the socket is emptied, or the time is up.
    for (;;) {
      const size = call.recv(this.#fd, this.#packet, this.#packet.length, MSG_DONTWAIT);
      if (size >= 0) {
        const echo = readEchoReply(this.#version, this.#packet.subarray(0, size));
        if (echo) return echo;
      } else if (errno() !== ERRNO.EAGAIN && errno() !== ERRNO.EINTR) {
        throw new SyscallError("recv", errno());
      } else {
        const left_ms = deadline_ms - performance.now();
        if (left_ms <= 0) return undefined;
        call.poll(this.#pollfd, 1, Math.ceil(left_ms));
      }
    }
  }

  close(): void {
    libc().call.close(this.#fd);
  }
}

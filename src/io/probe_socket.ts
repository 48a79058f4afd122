/**
 * A socket of its own to one peer, to learn why nothing gets through: the kernel
 * reports ICMP errors to a connected socket only (udp(7)), and the node's own
 * socket is connected to nobody.
 */

import { ERRNO, errnoName } from "../../ffi/errno.ts";
import { libc } from "../../ffi/libc.ts";
import {
  AF_INET,
  AF_INET6,
  IP_RECVERR,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_RECVERR,
  MSG_DONTWAIT,
  SO_ERROR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from "../../ffi/socket.ts";
import type { Address } from "../net/prefix.ts";
import { sockaddr } from "./sockaddr.ts";

/** Why an address and port cannot be reached, for the errno that a probe came up with. */
export function probeFailure(errno: number, host: string, port: number): string {
  switch (errno) {
    case ERRNO.ECONNREFUSED:
      return `nothing listens on UDP port ${port} of ${host}`;
    case ERRNO.EHOSTUNREACH:
      return `the host ${host} does not answer`;
    case ERRNO.ENETUNREACH:
      return `no route leads to ${host}`;
    case ERRNO.EACCES:
    case ERRNO.EPERM:
      return `a firewall refuses what is sent to ${host}`;
    default:
      return `datagrams to ${host} fail: ${errnoName(errno)}`;
  }
}

/** A probe of one underlay address and port. */
export class Probe {
  readonly #fd: number;
  readonly #name: Uint8Array<ArrayBuffer>;

  /** Throws a SyscallError where there is no socket to be had. */
  constructor({ version, bytes }: Address, port: number) {
    const { call, check } = libc();
    const v4 = version === 4;
    this.#fd = check(
      "socket",
      call.socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
    );
    this.#name = sockaddr(bytes, port);
    const on = new Uint8Array(new Int32Array([1]).buffer);
    // Also what may pass, such as "host unreachable"; "port unreachable" comes without it.
    if (v4) call.setsockopt(this.#fd, IPPROTO_IP, IP_RECVERR, on, on.length);
    else call.setsockopt(this.#fd, IPPROTO_IPV6, IPV6_RECVERR, on, on.length);
  }

  /** Sends a datagram; the errno if the kernel would not, else 0. */
  send(datagram: Uint8Array<ArrayBuffer>): number {
    const { call, errno } = libc();
    // Again each time: the route may have changed, and with it our own address.
    if (call.connect(this.#fd, this.#name, this.#name.length) < 0) return errno();
    return call.send(this.#fd, datagram, datagram.length, MSG_DONTWAIT) < 0 ? errno() : 0;
  }

  /** The errno that has come back since it was asked last, else 0 (SO_ERROR, socket(7)). */
  error(): number {
    const value = new Uint8Array(4);
    const length = new Uint8Array(new Uint32Array([value.length]).buffer);
    if (libc().call.getsockopt(this.#fd, SOL_SOCKET, SO_ERROR, value, length) < 0) return 0;
    return new DataView(value.buffer).getInt32(0, true);
  }

  /** Closes the socket. */
  close(): void {
    libc().call.close(this.#fd);
  }
}

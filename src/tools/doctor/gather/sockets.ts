/** Sockets that ask: UDP from the node's own port to each peer. */

import { ERRNO, errnoName } from "../../../../ffi/errno.ts";
import { POLLFD, POLLIN } from "../../../../ffi/file.ts";
import { libc } from "../../../../ffi/libc.ts";
import {
  AF_INET,
  AF_INET6,
  IP_MTU_DISCOVER,
  IP_PMTUDISC_DO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_MTU_DISCOVER,
  MSG_DONTWAIT,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCKADDR,
  SOCKADDR_IN6_BYTES,
  SOCKADDR_IN_BYTES,
  SOL_SOCKET,
} from "../../../../ffi/socket.ts";
import { PACKET_MAX_BYTES } from "../../../base/limits.ts";
import type { Address } from "../../../net/prefix.ts";
import type { ProbeSocket, ProbeSystem, Received } from "../probing.ts";

/** A socket address: struct sockaddr_in or sockaddr_in6. */
function socketAddress({ version, bytes }: Address, port: number): Uint8Array<ArrayBuffer> {
  const name = new Uint8Array(version === 4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES);
  const view = new DataView(name.buffer);
  view.setUint16(SOCKADDR.family, version === 4 ? AF_INET : AF_INET6, true);
  view.setUint16(SOCKADDR.port, port);
  name.set(bytes, version === 4 ? SOCKADDR.in_addr : SOCKADDR.in6_addr);
  return name;
}

/** Sockets that are open at the same time, with one wait for all. Closes them at the end. */
export class ProbeSockets implements ProbeSystem {
  readonly #fds: number[] = [];
  readonly #buffer = new Uint8Array(PACKET_MAX_BYTES);

  /** A UDP socket from one address and port to another; the errno's name where that fails. */
  open(own: Address, ownPort: number, peer: Address, peerPort: number): ProbeSocket | string {
    const { call, errno } = libc();
    const v4 = own.version === 4;
    const fd = call.socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return errnoName(errno());
    this.#fds.push(fd);
    const set = (level: number, option: number, value: number) =>
      call.setsockopt(fd, level, option, new Uint8Array(new Int32Array([value]).buffer), 4);
    // One socket for each peer: only a connected one is told of an ICMP error.
    set(SOL_SOCKET, SO_REUSEADDR, 1);
    if (v4) set(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
    else set(IPPROTO_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_DO);
    const from = socketAddress(own, ownPort);
    if (call.bind(fd, from, from.length) < 0) return errnoName(errno());
    const to = socketAddress(peer, peerPort);
    if (call.connect(fd, to, to.length) < 0) return errnoName(errno());
    return {
      send: (datagram) =>
        call.send(fd, datagram, datagram.length, MSG_DONTWAIT) < 0 ? errnoName(errno()) : undefined,
      receive: () => this.#receive(fd),
    };
  }

  #receive(fd: number): Received | undefined {
    const { call, errno } = libc();
    const size = call.recv(fd, this.#buffer, this.#buffer.length, MSG_DONTWAIT);
    if (size >= 0) return { kind: "datagram", bytes: this.#buffer.slice(0, size) };
    const code = errno();
    if (code === ERRNO.EAGAIN || code === ERRNO.EINTR) return undefined;
    return { kind: "error", errnoName: errnoName(code) };
  }

  now_us(): number {
    return Math.round(performance.now() * 1000);
  }

  wait(timeout_ms: number): void {
    const list = new Uint8Array(POLLFD.size * this.#fds.length);
    const view = new DataView(list.buffer);
    this.#fds.forEach((fd, i) => {
      view.setInt32(POLLFD.size * i + POLLFD.fd, fd, true);
      view.setInt16(POLLFD.size * i + POLLFD.events, POLLIN, true);
    });
    libc().call.poll(list, this.#fds.length, Math.ceil(timeout_ms));
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds) libc().call.close(fd);
  }
}

/** What the kernel knows of the paths that datagrams take (ip(7), ipv6(7)). */

import { libc } from "../../ffi/libc.ts";
import {
  IP_MTU,
  IP_MTU_DISCOVER,
  IP_PMTUDISC_DO,
  IP_PMTUDISC_WANT,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_MTU,
  IPV6_MTU_DISCOVER,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCKADDR,
} from "../../ffi/socket.ts";
import { OVERHEAD_IPV4_BYTES, OVERHEAD_IPV6_BYTES } from "../base/limits.ts";
import type { IpVersion } from "../net/prefix.ts";
import { sockaddr } from "./sockaddr.ts";

/** discard (RFC 863): a path is asked for, nothing is ever sent there. */
const ANY_PORT = 9;

/** The paths from a bound UDP socket. */
export class UdpPaths {
  /** Our own address with no port: paths may depend on the source. */
  #source: Uint8Array<ArrayBuffer> | undefined;
  #fragments = false;

  constructor(readonly fd: number, readonly ipVersion: IpVersion) {}

  /**
   * The largest datagram that the kernel lets through to an address, in bytes of
   * UDP payload: by the route and its device, or by what ICMP has told it.
   * Undefined where there is no way.
   */
  maxDatagram(address: Uint8Array): number | undefined {
    const { call } = libc();
    const name = sockaddr(address, ANY_PORT);
    const family = new DataView(name.buffer).getUint16(SOCKADDR.family, true);
    // A socket's MTU can only be asked for once it is connected: a socket for this question.
    const fd = call.socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return undefined;
    try {
      const source = this.#ownAddress();
      if (source.length === name.length) call.bind(fd, source, source.length);
      if (call.connect(fd, name, name.length) < 0) return undefined;
      const value = new Int32Array(1);
      const length = new Uint8Array(new Uint32Array([value.byteLength]).buffer);
      const v4 = address.length === 4;
      const [level, option] = v4 ? [IPPROTO_IP, IP_MTU] : [IPPROTO_IPV6, IPV6_MTU];
      const bytes = new Uint8Array(value.buffer);
      if (call.getsockopt(fd, level, option, bytes, length) < 0) return undefined;
      return Math.max(0, value[0]! - (v4 ? OVERHEAD_IPV4_BYTES : OVERHEAD_IPV6_BYTES));
    } finally {
      call.close(fd);
    }
  }

  /**
   * From now on the kernel sends a datagram that is too large for its path in
   * fragments, instead of refusing it. DF stays on all that fit.
   */
  allowFragments(): void {
    if (this.#fragments) return;
    this.#fragments = true;
    setDiscovery(this.fd, this.ipVersion, IP_PMTUDISC_WANT);
  }

  #ownAddress(): Uint8Array<ArrayBuffer> {
    if (this.#source) return this.#source;
    const name = new Uint8Array(SOCKADDR.size);
    const length = new Uint32Array([name.length]);
    libc().call.getsockname(this.fd, name, new Uint8Array(length.buffer));
    new DataView(name.buffer).setUint16(SOCKADDR.port, 0);
    this.#source = name.slice(0, length[0]);
    return this.#source;
  }
}

/** DF on every datagram: a path that is too narrow is reported, never silently fragmented. */
export function forbidFragments(fd: number, ipVersion: IpVersion): void {
  setDiscovery(fd, ipVersion, IP_PMTUDISC_DO);
}

function setDiscovery(fd: number, ipVersion: IpVersion, mode: number): void {
  const value = new Uint8Array(new Int32Array([mode]).buffer);
  const [level, option] = ipVersion === 4
    ? [IPPROTO_IP, IP_MTU_DISCOVER]
    : [IPPROTO_IPV6, IPV6_MTU_DISCOVER];
  libc().call.setsockopt(fd, level, option, value, value.length);
}

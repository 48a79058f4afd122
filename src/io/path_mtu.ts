/** What the kernel knows of the paths that datagrams take (ip(7), ipv6(7)). */

import { libc } from "../../ffi/libc.ts";
import {
  IP_MTU,
  IP_MTU_DISCOVER,
  IP_PMTUDISC_OMIT,
  IP_PMTUDISC_PROBE,
  IP_PMTUDISC_WANT,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_MTU,
  IPV6_MTU_DISCOVER,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCKADDR,
} from "../../ffi/socket.ts";
import {
  OVERHEAD_IPV4_BYTES,
  OVERHEAD_IPV6_BYTES,
  PATH_MTU_HINT_MIN_BYTES,
} from "../base/limits.ts";
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
   * The largest datagram to an address that the kernel believes in, in bytes of
   * UDP payload: by the route and its device, or by what ICMP has told it, which
   * anybody can forge and which counts down to PATH_MTU_HINT_MIN_BYTES only.
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
      const mtu_bytes = Math.max(PATH_MTU_HINT_MIN_BYTES, value[0]!);
      return mtu_bytes - (v4 ? OVERHEAD_IPV4_BYTES : OVERHEAD_IPV6_BYTES);
    } finally {
      call.close(fd);
    }
  }

  /**
   * From now on a datagram that is too large goes out in fragments, instead of
   * being refused. Over IPv4 routers fragment as well, so none has DF any more;
   * over IPv6 only the sender does, and has to believe what ICMP says for that.
   */
  allowFragments(): void {
    if (this.#fragments) return;
    this.#fragments = true;
    setDiscovery(
      this.fd,
      this.ipVersion,
      this.ipVersion === 4 ? IP_PMTUDISC_OMIT : IP_PMTUDISC_WANT,
    );
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

/**
 * DF on every datagram, of whatever size the device carries: what ICMP has told
 * the kernel of a path stops none, for anybody can forge that. The same numbers
 * hold for IPv6.
 */
export function forbidFragments(fd: number, ipVersion: IpVersion): void {
  setDiscovery(fd, ipVersion, IP_PMTUDISC_PROBE);
}

/** Calls `send` while the socket sends nothing in fragments, whatever it does otherwise. */
export function withoutFragments(fd: number, ipVersion: IpVersion, send: () => void): void {
  const value = new Int32Array(1);
  const length = new Uint8Array(new Uint32Array([value.byteLength]).buffer);
  const [level, option] = discoveryOption(ipVersion);
  libc().call.getsockopt(fd, level, option, new Uint8Array(value.buffer), length);
  const mode = value[0]!;
  if (mode === IP_PMTUDISC_PROBE) return send();
  setDiscovery(fd, ipVersion, IP_PMTUDISC_PROBE);
  try {
    send();
  } finally {
    setDiscovery(fd, ipVersion, mode);
  }
}

function discoveryOption(ipVersion: IpVersion): readonly [level: number, option: number] {
  return ipVersion === 4 ? [IPPROTO_IP, IP_MTU_DISCOVER] : [IPPROTO_IPV6, IPV6_MTU_DISCOVER];
}

function setDiscovery(fd: number, ipVersion: IpVersion, mode: number): void {
  const value = new Uint8Array(new Int32Array([mode]).buffer);
  const [level, option] = discoveryOption(ipVersion);
  libc().call.setsockopt(fd, level, option, value, value.length);
}

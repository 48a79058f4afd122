/** Opens the UDP side with Deno.listenDatagram and finds its descriptor for the lanes. */

import { EPOLL_CTL_DEL } from "../../ffi/file.ts";
import { libc, SyscallError } from "../../ffi/libc.ts";
import {
  AF_INET,
  AF_INET6,
  MSG_DONTWAIT,
  SO_TYPE,
  SOCK_DGRAM,
  SOCKADDR,
  SOL_SOCKET,
  SOL_UDP,
  UDP_GRO,
  UDP_NO_CHECK6_RX,
  UDP_SEGMENT,
} from "../../ffi/socket.ts";
import type { Feature } from "../base/features.ts";
import { RunError } from "../base/errors.ts";
import { DESCRIPTORS_SEARCHED } from "../base/limits.ts";
import { type Address, formatAddress, formatEndpoint, type IpVersion } from "../net/prefix.ts";
import { type Buffers, enlargeBuffers } from "./socket_buffers.ts";
import { forbidFragments } from "./path_mtu.ts";
import { sockaddr } from "./sockaddr.ts";

/** The UDP side: Deno's connection, which owns the socket, and its descriptor. */
export interface UdpSide {
  readonly connection: Deno.DatagramConn;
  readonly fd: number;
  readonly ipVersion: IpVersion;
  /**
   * Whether lanes use the descriptor (`batch`). Then Deno's own receive() and
   * send() on the connection wait for ever, else they are the only way.
   */
  readonly batch: boolean;
  /** The socket's part of the engine's features. */
  readonly features: ReadonlySet<Feature>;
  readonly buffers: Buffers;
}

/** How the socket is to be used. */
export interface UdpUse {
  /** Whether lanes are to use the descriptor: never, where that works here, or at any price. */
  readonly batch: "never" | "preferred" | "required";
  /** What lanes may use of the kernel. */
  readonly features: ReadonlySet<Feature>;
}

/**
 * Opens the socket and readies it for the use that is wanted and works here.
 * Throws a RunError that says what is in the way.
 */
export function openUdp(host: string, port: number, use: UdpUse): UdpSide {
  let connection: Deno.DatagramConn;
  try {
    connection = Deno.listenDatagram({ transport: "udp", hostname: host, port });
  } catch (error) {
    throw openFailure(error, host, port);
  }
  const ipVersion = host.includes(":") ? 6 : 4;
  const fd = findDescriptor(connection.addr as Deno.NetAddr, ipVersion);
  const buffers = enlargeBuffers(fd);
  forbidFragments(fd, ipVersion);
  const refusal = use.batch === "never" ? undefined : batchRefusal(fd);
  if (refusal && use.batch === "required") {
    connection.close();
    throw new RunError({
      what: "the engine batch does not work here",
      why: refusal,
      how: "--engine auto",
    });
  }
  const batch = use.batch !== "never" && !refusal;
  const features = new Set<Feature>();
  if (batch) {
    if (use.features.has("gso") && hasSegmentation(fd)) features.add("gso");
    if (use.features.has("gro") && enableReceiveOffload(fd)) features.add("gro");
    takeFromEventLoop(fd);
    if (use.features.has("kernel") && ipVersion === 6) takeWithoutChecksum(fd);
  }
  return { connection, fd, ipVersion, batch, features, buffers };
}

/** What the kernel path sends has no checksum, and may have to be taken by lanes (kernel_path/programs). */
function takeWithoutChecksum(fd: number): void {
  const on = new Uint8Array(new Int32Array([1]).buffer);
  libc().call.setsockopt(fd, SOL_UDP, UDP_NO_CHECK6_RX, on, on.length);
}

/** Why the lanes' system calls do not work here (an old kernel, a seccomp filter), if they do not. */
function batchRefusal(fd: number): string | undefined {
  const { call, check } = libc();
  try {
    // Of no message: only whether the call exists.
    check("recvmmsg", call.recvmmsg(fd, null, 0, MSG_DONTWAIT, null));
    check("sendmmsg", call.sendmmsg(fd, null, 0, MSG_DONTWAIT));
    return undefined;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return error.message;
  }
}

function openFailure(error: unknown, host: string, port: number): unknown {
  const what = `cannot open UDP ${formatEndpoint(host, port)}`;
  if (error instanceof Deno.errors.AddrInUse) {
    return new RunError({
      what,
      why: "another program uses the port",
      how: `ss -lunp 'sport = :${port}' to see which, or --port with another number on every node`,
    });
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return new RunError({
      what,
      why: "no local interface has the address",
      how: "ip address, or --listen with an address of this host",
    });
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new RunError({
      what,
      why: "a port below 1024 needs root or CAP_NET_BIND_SERVICE",
      how: "--port 3009",
    });
  }
  return error instanceof Error ? new RunError({ what, why: error.message }) : error;
}

/** Deno does not show a socket's descriptor: it is the UDP socket with our local name. */
function findDescriptor(local: Deno.NetAddr, ipVersion: IpVersion): number {
  const { call } = libc();
  const name = new Uint8Array(SOCKADDR.size);
  const view = new DataView(name.buffer);
  const length = new Uint32Array(1);
  const lengthBytes = new Uint8Array(length.buffer);
  const type = new Int32Array(1);
  const typeBytes = new Uint8Array(type.buffer);
  for (let fd = 0; fd < DESCRIPTORS_SEARCHED; fd++) {
    length[0] = name.length;
    if (call.getsockname(fd, name, lengthBytes) < 0) continue;
    if (view.getUint16(SOCKADDR.family, true) !== (ipVersion === 4 ? AF_INET : AF_INET6)) continue;
    if (view.getUint16(SOCKADDR.port) !== local.port) continue;
    const address = ipVersion === 4
      ? name.subarray(SOCKADDR.in_addr, SOCKADDR.in_addr + 4)
      : name.subarray(SOCKADDR.in6_addr, SOCKADDR.in6_addr + 16);
    if (formatAddress(address) !== local.hostname) continue;
    length[0] = 4;
    call.getsockopt(fd, SOL_SOCKET, SO_TYPE, typeBytes, lengthBytes);
    if (type[0] === SOCK_DGRAM) return fd;
  }
  throw new RunError({ what: "the UDP socket's descriptor was not found" });
}

/**
 * Takes the socket out of the event loop's epoll set: there, every datagram
 * that a lane receives or sends would wake the main thread as well. Deno's own
 * receive() and send() on it wait for ever afterwards.
 */
function takeFromEventLoop(socketFd: number): void {
  const { call } = libc();
  for (let fd = 0; fd < DESCRIPTORS_SEARCHED; fd++) {
    // Fails at once on all that is no epoll descriptor, or not the one.
    call.epoll_ctl(fd, EPOLL_CTL_DEL, socketFd, null);
  }
}

/** Sends one datagram without waiting. Throws a SyscallError. */
export function sendDatagram(
  fd: number,
  datagram: Uint8Array<ArrayBuffer>,
  address: Address,
  port: number,
): void {
  const name = sockaddr(address.bytes, port);
  const { call, check } = libc();
  check("sendto", call.sendto(fd, datagram, datagram.length, MSG_DONTWAIT, name, name.length));
}

/** Whether the kernel cuts one message into many datagrams (UDP_SEGMENT). */
function hasSegmentation(fd: number): boolean {
  const value = new Uint8Array(4);
  const length = new Uint8Array(new Uint32Array([value.length]).buffer);
  return libc().call.getsockopt(fd, SOL_UDP, UDP_SEGMENT, value, length) >= 0;
}

/** Lets the kernel hand over several datagrams of one sender as one (UDP_GRO), if it can. */
function enableReceiveOffload(fd: number): boolean {
  const on = new Uint8Array(new Int32Array([1]).buffer);
  return libc().call.setsockopt(fd, SOL_UDP, UDP_GRO, on, on.length) >= 0;
}

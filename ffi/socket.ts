/**
 * Sockets: socket(2), setsockopt(2), send(2), recv(2) and their structures.
 * Layouts are those of 64-bit little-endian Linux (x86_64, aarch64); offsets are in bytes.
 */

import { O_CLOEXEC, O_NONBLOCK } from "./file.ts";

/** Socket families, types and levels: linux/socket.h. */
export const AF_UNSPEC = 0;
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC = O_CLOEXEC;
export const SOCK_NONBLOCK = O_NONBLOCK;
export const SOL_SOCKET = 1;
export const IPPROTO_IP = 0;
export const SOL_UDP = 17;
/** A UDP socket over IPv6 takes datagrams without a checksum, too (RFC 6936; linux/udp.h). */
export const UDP_NO_CHECK6_RX = 102;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_ICMPV6 = 58;

/** setsockopt(2): asm-generic/socket.h, linux/in.h, linux/in6.h. */
export const SO_REUSEADDR = 2;
export const SO_TYPE = 3;
export const SO_ERROR = 4;
export const SO_PEERCRED = 17;
/** struct ucred: linux/socket.h. */
export const UCRED = { size: 12, pid: 0, uid: 4, gid: 8 } as const;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_RCVTIMEO = 20;
/** Attaches a classic BPF program (linux/filter.h). */
export const SO_ATTACH_FILTER = 26;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
/** Words of memory use (linux/sock_diag.h), since Linux 4.12; the last one counts drops. */
export const SO_MEMINFO = 55;
export const SK_MEMINFO_WORDS = 9;
export const SK_MEMINFO_DROPS = 8;
export const IP_MTU_DISCOVER = 10;
export const IP_RECVERR = 11;
export const IPV6_MTU_DISCOVER = 23;
export const IPV6_RECVERR = 25;
/** The MTU of the path that a connected socket's datagrams take. */
export const IP_MTU = 14;
export const IPV6_MTU = 24;
/** Set DF on what fits the path, send the rest in fragments. */
export const IP_PMTUDISC_WANT = 1;
/** Set DF always, obey the path MTU the kernel learnt; larger datagrams fail with EMSGSIZE. */
export const IP_PMTUDISC_DO = 2;
/** Set DF always, ignore what the kernel has learned of the path; only the device's MTU counts. */
export const IP_PMTUDISC_PROBE = 3;
/** Never set DF, ignore what the kernel has learned; what the device does not carry goes in fragments. */
export const IP_PMTUDISC_OMIT = 5;

/** udp(7), linux/udp.h: segmentation since Linux 4.18, receive offload since 5.0. */
export const UDP_SEGMENT = 103;
export const UDP_GRO = 104;

/** struct cmsghdr (64-bit), and the space that one with up to 8 bytes of data takes. */
export const CMSGHDR = { size: 16, len: 0, level: 8, type: 12 } as const;
export const CMSG_SPACE_8 = 24;

/** recv(2), send(2). */
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_TRUNC = 0x20;

/** struct msghdr (64-bit). */
export const MSGHDR = {
  size: 56,
  name: 0,
  namelen: 8,
  iov: 16,
  iovlen: 24,
  control: 32,
  controllen: 40,
  flags: 48,
} as const;

/** struct mmsghdr: a msghdr and the length of what was sent or received. */
export const MMSGHDR = { size: 64, len: 56 } as const;

/** struct iovec. */
export const IOVEC = { size: 16, base: 0, len: 8 } as const;

/** struct sockaddr_in and sockaddr_in6: the family is in host order, the port in network order. */
export const SOCKADDR = { size: 28, family: 0, port: 2, in_addr: 4, in6_addr: 8 } as const;
export const SOCKADDR_IN_BYTES = 16;
export const SOCKADDR_IN6_BYTES = 28;

/** struct sock_fprog: the number of instructions, and where they are. */
export const SOCK_FPROG = { size: 16, length: 0, filter: 8 } as const;
/** struct sock_filter: one instruction of classic BPF. */
export const SOCK_FILTER = { size: 8, code: 0, ifTrue: 2, ifFalse: 3, value: 4 } as const;
/** Its operations, as far as they are used (linux/bpf_common.h). */
export const CLASSIC_BPF = {
  loadLength: 0x80,
  loadByte: 0x30,
  loadWord: 0x20,
  loadMemory: 0x60,
  storeMemory: 0x02,
  jump: 0x05,
  jumpIfEqual: 0x15,
  jumpIfGreater: 0x25,
  jumpIfAtLeast: 0x35,
  returnValue: 0x06,
} as const;
/** What `loadWord` loads: the index of the device that a packet came in by; words of the IP header from here on. */
export const SKF_AD_IFINDEX = 0xffff_f008;
export const SKF_NET_OFF = 0xfff0_0000;

/** struct sockaddr_un (linux/un.h): the family, then a path of at most 108 bytes. */
export const SOCKADDR_UN = { family: 0, path: 2, path_bytes: 108 } as const;

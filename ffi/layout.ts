/**
 * Layouts and numbers of the kernel interface on 64-bit little-endian Linux
 * (x86_64 and aarch64 share them). Offsets are in bytes.
 */

/** open(2), fcntl(2): asm-generic/fcntl.h. */
export const O_RDWR = 0o2;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;

/** linux/if_tun.h. The ioctl numbers are _IOW('T', n, int), and _IOR for TUNGETFEATURES. */
export const TUN_DEVICE = "/dev/net/tun";
export const TUNSETIFF = 0x400454ca;
export const TUNGETFEATURES = 0x800454cf;
export const IFF_TUN = 0x0001;
export const IFF_TAP = 0x0002;
export const TUNSETOFFLOAD = 0x400454d0;
export const IFF_MULTI_QUEUE = 0x0100;
export const IFF_NO_PI = 0x1000;
export const IFF_VNET_HDR = 0x4000;

/** Offloads for TUNSETOFFLOAD (linux/if_tun.h); USO since Linux 6.2. */
export const TUN_F_CSUM = 0x01;
export const TUN_F_TSO4 = 0x02;
export const TUN_F_TSO6 = 0x04;
export const TUN_F_TSO_ECN = 0x08;
export const TUN_F_USO4 = 0x20;
export const TUN_F_USO6 = 0x40;

/** struct ifreq (linux/if.h): the name, then a union that holds flags, or a pointer to data. */
export const IFREQ = { size: 40, name: 0, flags: 16, data: 16 } as const;

/** ioctl(2) on any socket: linux/sockios.h, linux/ethtool.h; struct ethtool_value. */
export const SIOCETHTOOL = 0x8946;
export const ETHTOOL_GTSO = 0x1e;
export const ETHTOOL_VALUE = { size: 8, command: 0, data: 4 } as const;

/** struct pollfd (poll.h). */
export const POLLFD = { size: 8, fd: 0, events: 4, revents: 6 } as const;
export const POLLIN = 0x001;
export const POLLOUT = 0x004;
export const POLLERR = 0x008;
export const POLLHUP = 0x010;
export const POLLNVAL = 0x020;

/** epoll_ctl(2): sys/epoll.h. */
export const EPOLL_CTL_DEL = 2;

/** eventfd(2): the flags equal open's. */
export const EFD_NONBLOCK = O_NONBLOCK;
export const EFD_CLOEXEC = O_CLOEXEC;

/** struct sockaddr_un (linux/un.h): the family, then a path of at most 108 bytes. */
export const SOCKADDR_UN = { family: 0, path: 2, path_bytes: 108 } as const;

/** clock_gettime(2): linux/time.h; struct timespec. */
export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const TIMESPEC = { size: 16, seconds: 0, nanoseconds: 8 } as const;

/** capget(2), capset(2): linux/capability.h. The data has two halves of this layout. */
export const CAP_VERSION_3 = 0x20080522;
export const CAP_HEADER = { size: 8, version: 0 } as const;
export const CAP_DATA = { size: 12, effective: 0, permitted: 4, inheritable: 8 } as const;
/** Capabilities that tunnet knows by name, and a number that no kernel reaches soon (last: 40). */
export const CAPABILITIES = { dacReadSearch: 2, netAdmin: 12, bpf: 39 } as const;
export const CAP_LAST = 63;

/** prctl(2): linux/prctl.h. */
export const PR_CAPBSET_DROP = 24;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_CAP_AMBIENT = 47;
export const PR_CAP_AMBIENT_CLEAR_ALL = 4;

/** Socket families, types and levels: linux/socket.h, linux/netlink.h. */
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC = O_CLOEXEC;
export const SOCK_NONBLOCK = O_NONBLOCK;
export const SOL_SOCKET = 1;
export const IPPROTO_IP = 0;
export const IPPROTO_ICMP = 1;
export const SOL_UDP = 17;
/** A UDP socket over IPv6 takes datagrams without a checksum, too (RFC 6936; linux/udp.h). */
export const UDP_NO_CHECK6_RX = 102;
export const IPPROTO_IPV6 = 41;
export const NETLINK_ROUTE = 0;
export const NETLINK_XFRM = 6;

/** setsockopt(2): asm-generic/socket.h, linux/in.h, linux/in6.h. */
export const SO_REUSEADDR = 2;
export const SO_TYPE = 3;
export const SO_ERROR = 4;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_RCVTIMEO = 20;
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

/** bpf(2): its number as a system call (asm/unistd.h), glibc has no function of that name. */
export const SYS_BPF = { x86_64: 321, aarch64: 280 } as const;
/** Commands (enum bpf_cmd, linux/bpf.h). */
export const BPF_COMMAND = {
  mapCreate: 0,
  mapLookup: 1,
  mapUpdate: 2,
  mapDelete: 3,
  programLoad: 5,
  programAttach: 8,
  programTest: 10,
  linkCreate: 28,
} as const;
/** enum bpf_map_type. */
export const BPF_MAP_TYPE = { hash: 1, perCpuHash: 5, perCpuArray: 6, lpmTrie: 11 } as const;
/** BPF_F_NO_PREALLOC: memory for what is there only. */
export const BPF_NO_PREALLOC = 1;
/** enum bpf_prog_type: a classifier of packets. */
export const BPF_PROGRAM_SCHED_CLS = 3;
/** enum bpf_attach_type: on a device's way in or out (tcx), since Linux 6.6. */
export const BPF_LINK_TYPE = { in: 46, out: 47 } as const;
/** union bpf_attr, by command; the kernel wants the rest to be zeros. */
export const BPF_ATTR = {
  size: 128,
  map: { type: 0, keyBytes: 4, valueBytes: 8, entries: 12, flags: 16 },
  element: { map: 0, key: 8, value: 16 },
  program: {
    type: 0,
    count: 4,
    instructions: 8,
    license: 16,
    logLevel: 24,
    logBytes: 28,
    log: 32,
    name: 48,
    nameMax: 15,
  },
  attach: { ifindex: 0, program: 4, type: 8 },
  link: { program: 0, ifindex: 4, attachType: 8 },
  test: { program: 0, verdict: 4, inBytes: 8, outBytes: 12, in: 16, out: 24 },
} as const;

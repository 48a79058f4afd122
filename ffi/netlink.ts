/**
 * Netlink (netlink(7), rtnetlink(7)): sockets, messages, links, addresses, routes, IPsec.
 * Layouts are those of 64-bit little-endian Linux (x86_64, aarch64); offsets are in bytes.
 */

/** Protocols and socket options (linux/netlink.h): answers with a reason, without the request. */
export const NETLINK_ROUTE = 0;
export const NETLINK_XFRM = 6;
export const SOL_NETLINK = 270;
export const NETLINK_CAP_ACK = 10;
export const NETLINK_EXT_ACK = 11;
/** Dumps obey the filter in the request (since 4.20; before, all comes, and the reader filters). */
export const NETLINK_GET_STRICT_CHK = 12;

/** Message types and flags (linux/netlink.h). */
export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_OVERRUN = 4;
export const NLM_F_REQUEST = 0x01;
export const NLM_F_ACK = 0x04;
/** The table changed while it was dumped: the dump may lack or repeat entries. */
export const NLM_F_DUMP_INTR = 0x10;
/** On a request to read: the whole table. */
export const NLM_F_DUMP = 0x300;
/** On a request to make something: fail if it exists; make it if it does not. */
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
/** On an answer: the request is not repeated in it; attributes follow. */
export const NLM_F_CAPPED = 0x100;
export const NLM_F_ACK_TLVS = 0x200;
/** Attribute of an answer: why, as text. */
export const NLMSGERR_ATTR_MSG = 1;
/** An attribute's type without its two flag bits. */
export const NLA_TYPE_MASK = 0x3fff;

/** Message types (linux/rtnetlink.h). */
export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_SETLINK = 19;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;

/** Links (linux/if_link.h, linux/if.h). */
export const IFLA_IFNAME = 3;
export const IFLA_MTU = 4;
export const IFLA_MASTER = 10;
export const IFLA_LINKINFO = 18;
export const IFLA_IFALIAS = 20;
export const IFLA_STATS64 = 23;
/** Offsets in struct rtnl_link_stats64 (linux/if_link.h). */
export const STATS64 = { rxPackets: 0, txPackets: 8, rxDropped: 48, txDropped: 56 } as const;
/** A descriptor of the network namespace to make a device in. */
export const IFLA_NET_NS_FD = 28;
/** Settings by address family, each below the family's number. */
export const IFLA_AF_SPEC = 26;
/** Of AF_INET: values by the number of the setting (linux/ip.h). */
export const IFLA_INET_CONF = 1;
export const IPV4_DEVCONF_ACCEPT_LOCAL = 23;
/** Of AF_INET6: one byte, how a link-local address is made. */
export const IFLA_INET6_ADDR_GEN_MODE = 8;
export const IFLA_EXT_MASK = 29;
export const IFLA_INFO_KIND = 1;
export const IFLA_INFO_DATA = 2;
/** Of a veth pair: a struct ifinfomsg and attributes of the other end (linux/veth.h). */
export const VETH_INFO_PEER = 1;
/** A VXLAN device's settings; its port is in network order. */
export const IFLA_VXLAN_LEARNING = 7;
export const IFLA_VXLAN_PORT = 15;
export const IFLA_VXLAN_UDP_ZERO_CSUM6_RX = 20;
export const IFLA_VXLAN_COLLECT_METADATA = 25;
export const IFLA_VXLAN_GPE = 27;
/** Ethernet, or what looks like it (linux/if_arp.h). */
export const ARPHRD_ETHER = 1;
export const RTEXT_FILTER_SKIP_STATS = 8;
export const IFF_UP = 1;

/** Addresses (linux/if_addr.h). */
export const IFA_ADDRESS = 1;
export const IFA_LOCAL = 2;
export const IFA_FLAGS = 8;
/** Usable at once: no duplicate address detection (IPv6). */
export const IFA_F_NODAD = 0x02;
/** Duplicate address detection found another host with it, or has not ended yet. */
export const IFA_F_DADFAILED = 0x08;
export const IFA_F_TENTATIVE = 0x40;

/** Routes (linux/rtnetlink.h). */
export const RTA_DST = 1;
export const RTA_OIF = 4;
export const RTA_GATEWAY = 5;
export const RTA_PRIORITY = 6;
export const RTA_PREFSRC = 7;
export const RTA_METRICS = 8;
export const RTA_MULTIPATH = 9;
export const RTA_CACHEINFO = 12;
export const RTA_TABLE = 15;
export const RTA_VIA = 18;
/** Flag of a route or next hop (linux/rtnetlink.h): the gateway is on the link. */
export const RTNH_F_ONLINK = 4;
export const RTAX_MTU = 2;
/** Offset of rta_expires in struct rta_cacheinfo: when the kernel forgets what it has learnt. */
export const RTA_EXPIRES = 8;
export const RT_TABLE_MAIN = 254;
export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_LINK = 253;
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
export const RTN_UNREACHABLE = 7;
/** Of a route lookup: the entry that was found, with all its next hops (Linux 4.13). */
export const RTM_F_FIB_MATCH = 0x2000;
/** The index of lo, in every network namespace (net/flow.h). */
export const LOOPBACK_IFINDEX = 1;
/** Who made a route: the kernel itself, or an administrator. */
export const RTPROT_KERNEL = 2;
export const RTPROT_STATIC = 4;
/** Ours, of the numbers that are free (from 5 on; iproute2 rt_protos, none has 84). */
export const RTPROT_TUNNET = 84;
/** Ours as well: routes to the tunnel's device. */
export const RTPROT_TUNNET_DEVICE = 85;

/** Sizes of nlmsghdr, nlattr, ifinfomsg, ifaddrmsg, rtmsg and rtnexthop. */
export const NLMSGHDR_BYTES = 16;
export const NLATTR_BYTES = 4;
export const IFINFOMSG_BYTES = 16;
export const IFADDRMSG_BYTES = 8;
export const RTMSG_BYTES = 12;
export const RTNEXTHOP_BYTES = 8;

/** IPsec policies, counted: requests, an attribute, struct xfrmu_spdinfo (linux/xfrm.h). */
export const XFRM_MSG_NEWSPDINFO = 0x24;
export const XFRM_MSG_GETSPDINFO = 0x25;
export const XFRMA_SPD_INFO = 1;
export const SPD_INFO = { in: 0, out: 4 } as const;

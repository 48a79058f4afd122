/**
 * What a BPF program sees of the kernel: numbers and layouts of linux/bpf.h.
 * Layouts are those of 64-bit little-endian Linux (x86_64, aarch64); offsets are in bytes.
 */

/** struct __sk_buff: what a program may read of a packet. */
export const SKB = {
  len: 0,
  packetType: 4,
  protocol: 16,
  vlanPresent: 20,
  /** The device where the program is attached. */
  ifindex: 40,
  gsoSegments: 164,
  gsoSize: 176,
} as const;

/** `packetType` of what is for this host (linux/if_packet.h). */
export const PACKET_HOST = 0;

/** Ethernet types in network order, as `protocol` holds them (linux/if_ether.h). */
export const ETHERTYPE_IPV4_NETWORK = 0x0008;
export const ETHERTYPE_IPV6_NETWORK = 0xdd86;

/** Helpers, by number (enum bpf_func_id). */
export const HELPER = {
  mapLookup: 1,
  timeNs: 5,
  storeBytes: 9,
  redirect: 23,
  loadBytes: 26,
  changeHead: 43,
  adjustRoom: 50,
  fibLookup: 69,
  /** Linux 5.10: on to the other end of a veth pair, without a queue in between. */
  redirectPeer: 155,
} as const;

/** Flags of `storeBytes`: keep a checksum that the network card made of the whole packet. */
export const RECOMPUTE_CHECKSUM = 1;

/** `redirect`: as if received by the device. */
export const REDIRECT_INGRESS = 1;

/** `adjustRoom`: room between the link header and the network header. */
export const ROOM_AT_LINK_HEADER = 1;
/** Flags of `adjustRoom` (Linux 5.2): segments keep their size; what the new headers are. */
export const ROOM = {
  fixedGso: 1,
  encapIpv4: 2,
  encapIpv6: 4,
  encapUdp: 16,
  /** Linux 6.3: what is inside has this version, if the outer header has the other. */
  decapIpv4: 128,
  decapIpv6: 256,
} as const;

/** struct bpf_fib_lookup: a question about a route, and its answer in place. */
export const FIB = {
  size: 64,
  family: 0,
  protocol: 1,
  totalLength: 6,
  ifindex: 8,
  source: 16,
  destination: 32,
  sourceMac: 52,
  destinationMac: 58,
} as const;
/** Flag of `fibLookup`: as for a packet of this host, out of the device `ifindex`. */
export const FIB_OUTPUT = 2;

/** Results of a program on a device's ingress or egress (enum tcx_action_base, Linux 6.6). */
export const VERDICT = { next: -1, drop: 2 } as const;

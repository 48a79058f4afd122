/** The features of the kernel that device and socket can use, each on its own. Pure. */

/** What `batch` can use of the kernel, and since when there is such a thing. */
export const FEATURES = [
  /** IFF_VNET_HDR, Linux 2.6.27: a virtio header with each packet of the device. */
  "vnet",
  /** TUN_F_CSUM: checksums on the device may be partial. */
  "csum",
  /** Checksums stay partial between two tunnets: told in the hello, completed by the peer's kernel. */
  "partial",
  /** TUN_F_TSO4: TCP super-packets over IPv4. */
  "tso4",
  /** TUN_F_TSO6: the same over IPv6. */
  "tso6",
  /** TUN_F_USO4 and TUN_F_USO6, Linux 6.2: UDP super-packets. The kernel takes only both at once. */
  "uso",
  /** UDP_SEGMENT, Linux 4.18: many datagrams to a peer in one message. */
  "gso",
  /** UDP_GRO, Linux 5.0: many datagrams from a peer in one message. */
  "gro",
  /**
   * The kernel path, Linux 6.6: what needs no lane goes from device to device in the kernel, by
   * programs of ours (BPF on tcx). Only `auto` has it.
   */
  "kernel",
] as const;
/** One of FEATURES. */
export type Feature = typeof FEATURES[number];

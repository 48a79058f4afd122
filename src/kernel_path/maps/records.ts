/** Layout of the maps that tunnet and its kernel programs share. Pure. */

import type { Prefix } from "../../net/prefix.ts";

/** struct bpf_lpm_trie_key: a length in bits, then that many bits of an address, in network order. */
export const ROUTE_KEY = { length: 0, address: 4 } as const;
/** A route's owner: a peer's index, or LOCAL_OWNER. */
export const OWNER_BYTES = 4;
/** Owner of this node's own subnets, and of nothing else: no peer has this index. */
export const LOCAL_OWNER = 0x7fff_ffff;
/** Owner of what no node sends from, nor anybody sends to: no peer has this index either. */
export const NOBODY = 0x7fff_fffe;

/** Key of a prefix in the table of its IP version. */
export function routeKey({ bytes, length_bits }: Prefix): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(ROUTE_KEY.address + bytes.length);
  new DataView(key.buffer).setUint32(ROUTE_KEY.length, length_bits, true);
  key.set(bytes, ROUTE_KEY.address);
  return key;
}

/** A 32-bit number as a key or a value. */
export function u32(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** A peer that takes packets from the kernel itself: how they are addressed. */
export interface KernelPeer {
  /** 4 bytes, or 16. */
  readonly address: Uint8Array;
  readonly port: number;
  /** Our own address towards it, as long. */
  readonly source: Uint8Array;
  /** The device that leads to it. */
  readonly ifindex: number;
  /** The largest inner packet that its path carries, in bytes. */
  readonly mtu_bytes: number;
  /** Whether TCP goes by the kernel path, too. */
  readonly tcp: boolean;
}

/** Layout of a KernelPeer: addresses and port in network order; IPv4 leaves 12 bytes of each free. */
export const PEER = {
  size: 44,
  source: 0,
  address: 16,
  ifindex: 32,
  mtu: 36,
  port: 40,
  /** 1, or 0. */
  tcp: 42,
} as const;

/** Encodes a KernelPeer. */
export function peerRecord(peer: KernelPeer): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(PEER.size);
  const view = new DataView(bytes.buffer);
  bytes.set(peer.address, PEER.address);
  bytes.set(peer.source, PEER.source);
  view.setUint32(PEER.ifindex, peer.ifindex, true);
  view.setUint32(PEER.mtu, peer.mtu_bytes, true);
  view.setUint16(PEER.port, peer.port);
  view.setUint8(PEER.tcp, peer.tcp ? 1 : 0);
  return bytes;
}

/**
 * Layout of the key that a datagram's sender is known by, all in network order:
 * its address, ours behind it as in an IP header, its port.
 */
export function senderKeyLayout(addressBytes: number) {
  return { size: 2 * addressBytes + 4, address: 0, port: 2 * addressBytes } as const;
}

/** The sender that datagrams of a peer come from, to this node's own address. */
export function senderKey({ address, source, port }: KernelPeer): Uint8Array<ArrayBuffer> {
  const layout = senderKeyLayout(address.length);
  const bytes = new Uint8Array(layout.size);
  bytes.set(address, layout.address);
  bytes.set(source, layout.address + address.length);
  new DataView(bytes.buffer).setUint16(layout.port, port);
  return bytes;
}

/** Layout of what is known of a sender: its index, and the device by which it is answered. */
export const SENDER = { size: 8, peer: 0, ifindex: 4 } as const;

/** Encodes what is known of a sender. */
export function senderRecord(peer: number, ifindex: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SENDER.size);
  const view = new DataView(bytes.buffer);
  view.setUint32(SENDER.peer, peer, true);
  view.setUint32(SENDER.ifindex, ifindex, true);
  return bytes;
}

/**
 * Layout of a peer's counts, 8 bytes each, for each processor; and when it saw
 * the last super-packet of UDP from it, in ns of the monotonic clock.
 */
export const COUNTS = {
  size: 40,
  packetsOut: 0,
  bytesOut: 8,
  packetsIn: 16,
  bytesIn: 24,
  superUdp: 32,
} as const;

/** Layout of the counts of the whole node, 8 bytes each, for each processor. */
export const EVENTS = {
  size: 48,
  /** Packets that were handed to the helper device. */
  entered: 0,
  /** Packets that arrived there and went on to the tunnel's device. */
  arrived: 8,
  /** Packets that could not be wrapped: the kernel was short of memory. */
  sendFailed: 16,
  /** Packets that could not be handed on, for the same reason. */
  rejected: 24,
  /** Packets that somebody on this host sent to the helper device. */
  foreign: 32,
  /** Packets of the self-test that have come through. */
  selfTest: 40,
} as const;

/** The counts of all processors as one; each has `size` bytes, in a row. */
export function sumOfProcessors(perProcessor: Uint8Array, size: number): readonly number[] {
  const view = new DataView(perProcessor.buffer, perProcessor.byteOffset, perProcessor.length);
  const sums = Array.from({ length: size / 8 }, () => 0);
  for (let at = 0; at + size <= perProcessor.length; at += size) {
    for (let i = 0; i < sums.length; i++) sums[i]! += Number(view.getBigUint64(at + 8 * i, true));
  }
  return sums;
}

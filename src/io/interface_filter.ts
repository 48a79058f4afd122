/**
 * The filter on the node's UDP socket: which interfaces count for which sender.
 * Pure.
 *
 * It is a program of classic BPF, which any process may attach to its own socket,
 * and which every engine has then at no cost of its own. IP_PKTINFO would not do:
 * what this host sends to itself goes by lo, but the kernel names the interface
 * that the sender has chosen (always over IPv6, net/ipv6/ip6_input.c; over IPv4
 * with SO_BINDTODEVICE, net/ipv4/ip_sockglue.c), so that any user of the host can
 * name the underlay's. A filter sees the device that the packet came in by.
 *
 * What does not count is not dropped but cut to MARKED_BYTES, since the kernel
 * counts what a filter drops as if the receive buffer had been full: lanes count it
 * under a name, and report it. To keep the mark clear, whatever is as short by
 * itself becomes empty.
 */

import { CLASSIC_BPF, SKF_AD_IFINDEX, SKF_NET_OFF, SOCK_FILTER } from "../../ffi/socket.ts";
import { FILTER_MAX_INSTRUCTIONS } from "../base/limits.ts";
import type { IpVersion } from "../net/prefix.ts";
import { WIREGUARD_TYPES } from "../wire/classify.ts";

/** A sender's underlay address, 4 or 16 bytes, and the interfaces that lead there. */
export interface SenderInterfaces {
  readonly address: Uint8Array;
  readonly interfaces: readonly number[];
}

/** What is left of a datagram that came in by an interface that does not lead to its sender. */
export const MARKED_BYTES = 1;

/** A filter sees, and keeps, a datagram from its UDP header on. */
const UDP_HEADER_BYTES = 8;
const KEEP_ALL = 0xffff_ffff;
/** Where an IP header has the source. */
const SOURCE_AT = { 4: 12, 6: 8 } as const;

interface Instruction {
  readonly code: number;
  readonly value: number;
  /** Instructions to pass over. */
  readonly ifTrue?: number;
  readonly ifFalse?: number;
}

/** Addresses from `begin` on, up to the next range, and what counts for them. */
interface Range {
  readonly begin: readonly number[];
  readonly interfaces: readonly number[];
}

const { loadByte, loadLength, loadWord, loadMemory, storeMemory, jump, returnValue } = CLASSIC_BPF;
const { jumpIfEqual, jumpIfGreater, jumpIfAtLeast } = CLASSIC_BPF;

function wordsOf(address: Uint8Array): readonly number[] {
  const view = new DataView(address.buffer, address.byteOffset, address.length);
  return Array.from({ length: address.length / 4 }, (_, word) => view.getUint32(4 * word));
}

function compare(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((word, i) => word !== other[i]);
  return at < 0 ? 0 : one[at]! - other[at]!;
}

const sorted = (interfaces: Iterable<number>): readonly number[] =>
  [...new Set(interfaces)].sort((one, other) => one - other);

/**
 * The senders' addresses in ascending order, as ranges: neighbours with the same
 * interfaces are one, so that a host with one underlay has one range. To whom an
 * address in between belongs does not matter: it is no peer's.
 */
function rangesOf(senders: readonly SenderInterfaces[]): readonly Range[] {
  const ranges: Range[] = [];
  const all = senders.map(({ address, interfaces }) => ({
    begin: wordsOf(address),
    interfaces: sorted(interfaces),
  })).sort((one, other) => compare(one.begin, other.begin));
  for (const one of all) {
    if (String(one.interfaces) !== String(ranges.at(-1)?.interfaces)) ranges.push(one);
  }
  return ranges;
}

/** Ends: whole by one of these interfaces, else marked. */
function verdict(interfaces: readonly number[]): readonly Instruction[] {
  return [
    { code: loadWord, value: SKF_AD_IFINDEX },
    ...interfaces.flatMap((index) => [
      { code: jumpIfEqual, value: index, ifFalse: 1 },
      { code: returnValue, value: KEEP_ALL },
    ]),
    { code: returnValue, value: UDP_HEADER_BYTES + MARKED_BYTES },
  ];
}

/** Passes over the `size` instructions behind it if the source, which is in memory, lies before `begin`. */
function passUnlessAtLeast(begin: readonly number[], size: number): readonly Instruction[] {
  const last = begin.length - 1;
  const compared = begin.flatMap((value, word): Instruction[] => {
    // The last instruction is the jump over the rest; what follows it is reached past it.
    const toJump = 3 * (last - word);
    const load = { code: loadMemory, value: word };
    return word === last ? [load, { code: jumpIfAtLeast, value, ifTrue: 1 }] : [
      load,
      { code: jumpIfGreater, value, ifTrue: toJump + 1 },
      { code: jumpIfEqual, value, ifFalse: toJump - 1 },
    ];
  });
  return [...compared, { code: jump, value: size }];
}

/** Passes WireGuard's messages whole: they tell by themselves who sent them, wherever from. */
function passSealed(): readonly Instruction[] {
  return [
    { code: loadByte, value: UDP_HEADER_BYTES },
    { code: jumpIfGreater, value: WIREGUARD_TYPES, ifTrue: 2 },
    { code: jumpIfEqual, value: 0, ifTrue: 1 },
    { code: returnValue, value: KEEP_ALL },
  ];
}

function program(
  ranges: readonly Range[],
  version: IpVersion,
  keyed: boolean,
): readonly Instruction[] {
  const short = UDP_HEADER_BYTES + MARKED_BYTES;
  const [first, ...others] = ranges;
  const source: Instruction[] = others.length === 0 ? [] : first!.begin.flatMap((_, word) => [
    { code: loadWord, value: SKF_NET_OFF + SOURCE_AT[version] + 4 * word },
    { code: storeMemory, value: word },
  ]);
  return [
    { code: loadLength, value: 0 },
    { code: jumpIfGreater, value: short, ifTrue: 1 },
    { code: returnValue, value: UDP_HEADER_BYTES },
    ...(keyed ? passSealed() : []),
    ...source,
    ...others.reverse().flatMap(({ begin, interfaces }) => {
      const end = verdict(interfaces);
      return [...passUnlessAtLeast(begin, end.length), ...end];
    }),
    ...verdict(first?.interfaces ?? []),
  ];
}

/** A filter, and whether it tells senders apart as it should. */
export interface InterfaceFilter {
  /** An array of struct sock_filter. */
  readonly program: Uint8Array<ArrayBuffer>;
  /**
   * False: there are too many ranges for the kernel, and an interface that leads to one sender
   * counts for all of them.
   */
  readonly exact: boolean;
}

/**
 * The filter for these senders, all of one IP version; without any, nothing counts. `keyed`: what
 * is sealed counts by whatever interface it comes.
 */
export function interfaceFilter(
  senders: readonly SenderInterfaces[],
  version: IpVersion,
  keyed = false,
): InterfaceFilter {
  const instructions = program(rangesOf(senders), version, keyed);
  if (instructions.length <= FILTER_MAX_INSTRUCTIONS) {
    return { program: encode(instructions), exact: true };
  }
  const interfaces = sorted(senders.flatMap((one) => one.interfaces));
  return { program: encode(program([{ begin: [], interfaces }], version, keyed)), exact: false };
}

function encode(instructions: readonly Instruction[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SOCK_FILTER.size * instructions.length);
  const view = new DataView(bytes.buffer);
  instructions.forEach(({ code, value, ifTrue, ifFalse }, i) => {
    const at = SOCK_FILTER.size * i;
    view.setUint16(at + SOCK_FILTER.code, code, true);
    view.setUint8(at + SOCK_FILTER.ifTrue, ifTrue ?? 0);
    view.setUint8(at + SOCK_FILTER.ifFalse, ifFalse ?? 0);
    view.setUint32(at + SOCK_FILTER.value, value, true);
  });
  return bytes;
}

/**
 * Random flows for tests of splitting and merging: mostly what a bulk transfer
 * looks like, with all that may happen to one in between. Shares no code with src/.
 */

import type { Random } from "../fuzz/random.ts";
import { complete, partial, withChecksum, withIpChecksum } from "./oracle.ts";

/** What a flow looks like as long as nothing happens to it. */
export interface FlowShape {
  readonly version: 4 | 6;
  readonly protocol: "tcp" | "udp";
  /** Payload of a full packet. */
  readonly payload_bytes: number;
  /** IPv4 options and TCP options, each a multiple of 4 bytes. */
  readonly ipOptions: readonly number[];
  readonly tcpOptions: readonly number[];
  /** How often something unusual happens, from 0 to 1. */
  readonly trouble: number;
}

/** Draws the shape of a flow; `plain` is one that a kernel would merge. */
export function randomShape(dice: Random, trouble: number, plain = false): FlowShape {
  const version = dice.pick([4, 6] as const);
  const words = (max: number) => [...dice.bytes(4 * dice.below(max + 1))];
  const timestamps = [1, 1, 8, 10, ...dice.bytes(8)];
  return {
    version,
    protocol: dice.pick(["tcp", "tcp", "udp"] as const),
    payload_bytes: dice.pick([1, 2, 3, 7, 64, 100, 101, 536, 1432]),
    ipOptions: version === 4 && !plain && dice.below(8) === 0 ? words(10) : [],
    tcpOptions: dice.pick([[], timestamps, timestamps, words(10)]),
    trouble,
  };
}

/** The header of a frame: none (a packet of a tun device), or Ethernet with up to two VLAN tags. */
export function randomEthernet(dice: Random): readonly number[] {
  const tags = dice.below(3);
  const header = [...dice.bytes(12 + 4 * tags), 8, 0];
  return dice.below(2) === 0 ? [] : header;
}

/** One flow: `next` gives its packets, all with right checksums unless told otherwise. */
export class Flow {
  readonly #addresses: readonly number[];
  readonly #ports: readonly number[];
  // Near the wrap as often as not.
  #identification: number;
  #sequence: number;
  #acknowledgment: number;
  #window: number;
  #typeOfService: number;
  #ttl: number;
  #flow: number;
  #fragment: number;
  #tcpOptions: number[];

  constructor(readonly dice: Random, readonly shape: FlowShape) {
    this.#addresses = shape.version === 4
      ? [172, 2, 0, dice.below(3), 172, 1, 0, dice.below(3)]
      : [0xfd, 0, 0, 2, ...dice.bytes(12), 0xfd, 0, 0, 1, ...dice.bytes(12)];
    this.#ports = [...dice.bytes(4)];
    this.#identification = dice.below(2) === 0 ? 65_530 + dice.below(6) : dice.below(65_536);
    this.#sequence = dice.below(2) === 0 ? 2 ** 32 - 1 - dice.below(5000) : dice.u32();
    this.#acknowledgment = dice.u32();
    this.#window = dice.below(65_536);
    this.#typeOfService = dice.pick([0, 0, 2, 0x10, 0xb9]);
    this.#ttl = 1 + dice.below(255);
    this.#flow = dice.below(2 ** 20);
    this.#fragment = dice.pick([0, 0x4000]);
    this.#tcpOptions = [...shape.tcpOptions];
  }

  /** The next packet; `size` and `flags` override what comes by itself. */
  next(size?: number, flags?: number): Uint8Array<ArrayBuffer> {
    const { dice, shape } = this;
    const happens = () => dice.below(1_000_000) < shape.trouble * 1_000_000;
    let payload_bytes = size ?? shape.payload_bytes;
    let tcpFlags = flags ?? 0x10;
    let urgent = 0;
    if (happens()) {
      const dueToPath = [
        () => this.#typeOfService ^= 1, // CE and back
        () => this.#ttl = 1 + dice.below(255),
        () => this.#fragment ^= 0x4000,
        () => this.#fragment ^= 0x8000,
        () => this.#identification += dice.below(3),
        () => this.#identification -= 1,
        () => this.#flow = dice.below(2 ** 20),
        () => this.#sequence += dice.pick([-1, 1, payload_bytes, -payload_bytes]),
        () => this.#acknowledgment += dice.below(5000),
        () => this.#window = dice.pick([0, 1, 65_535]),
        () => this.#tcpOptions = this.#tcpOptions.map((byte) => byte ^ dice.below(2)),
        () => payload_bytes = dice.below(payload_bytes + 1),
        () => payload_bytes += 1 + dice.below(9),
        () => payload_bytes = 0,
        () => tcpFlags = 0x10 | dice.u32() % 256,
        () => tcpFlags = dice.u32() % 256,
        () => tcpFlags |= dice.pick([0x01, 0x02, 0x04, 0x08, 0x20, 0x40, 0x80]),
        () => urgent = dice.below(65_536),
      ];
      dice.pick(dueToPath)();
    }
    const payload = dice.bytes(payload_bytes);
    const transport = shape.protocol === "tcp"
      ? this.#tcp(payload, tcpFlags, urgent)
      : this.#udp(payload);
    const packet = complete(withIpChecksum(Uint8Array.from(this.#ip(transport))));
    this.#identification += 1;
    this.#sequence += payload.length;
    if (!happens()) return packet;
    return dice.pick([
      () => withChecksum(packet, dice.below(65_536)),
      () => partial(packet),
      () => shape.protocol === "udp" ? withChecksum(packet, 0) : packet,
      () => this.#damaged(packet),
    ])();
  }

  #tcp(payload: Uint8Array, flags: number, urgent: number): number[] {
    const offset = 5 + this.#tcpOptions.length / 4;
    return [
      ...this.#ports,
      ...bytes32(this.#sequence),
      ...bytes32(this.#acknowledgment),
      ...[offset * 16, flags, ...bytes16(this.#window), 0, 0, ...bytes16(urgent)],
      ...this.#tcpOptions,
      ...payload,
    ];
  }

  #udp(payload: Uint8Array): number[] {
    return [...this.#ports, ...bytes16(8 + payload.length), 0, 0, ...payload];
  }

  #ip(transport: readonly number[]): number[] {
    const protocol = this.shape.protocol === "tcp" ? 6 : 17;
    if (this.shape.version === 6) {
      const first = 6 * 2 ** 28 + this.#typeOfService * 2 ** 20 + this.#flow;
      return [
        ...bytes32(first),
        ...bytes16(transport.length),
        ...[protocol, this.#ttl],
        ...this.#addresses,
        ...transport,
      ];
    }
    const header = 20 + this.shape.ipOptions.length;
    return [
      ...[0x40 + header / 4, this.#typeOfService],
      ...bytes16(header + transport.length),
      ...bytes16(this.#identification),
      ...bytes16(this.#fragment),
      ...[this.#ttl, protocol, 0, 0],
      ...this.#addresses,
      ...this.shape.ipOptions,
      ...transport,
    ];
  }

  /** A byte changed on the way, anywhere after the IP header: nobody may mend the checksum. */
  #damaged(packet: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const start = this.shape.version === 6 ? 40 : 20 + this.shape.ipOptions.length;
    packet[start + this.dice.below(packet.length - start)]! ^= 1 << this.dice.below(8);
    return packet;
  }
}

const modulo = (value: number, n: number) => (value % n + n) % n;
const bytes16 = (value: number) => [modulo(value >> 8, 256), modulo(value, 256)];
const bytes32 = (value: number) => [
  ...bytes16(Math.floor(modulo(value, 2 ** 32) / 65_536)),
  ...bytes16(modulo(value, 65_536)),
];

/** A few flows' packets as they arrive: interleaved, some lost, swapped or doubled. */
export function arrivals(dice: Random, count: number): Uint8Array<ArrayBuffer>[] {
  const trouble = dice.pick([0, 0.02, 0.1, 0.4]);
  const flows = Array.from(
    { length: 1 + dice.below(4) },
    () => new Flow(dice, randomShape(dice, trouble)),
  );
  const happens = () => dice.below(1_000_000) < trouble * 200_000;
  const out: Uint8Array<ArrayBuffer>[] = [];
  // Flows come in trains, as a sender's bursts do.
  for (let flow = flows[0]!; out.length < count;) {
    if (dice.below(6) === 0) flow = dice.pick(flows);
    const packet = flow.next();
    if (happens()) continue;
    out.push(packet);
    if (happens()) out.push(packet.slice());
    if (happens() && out.length > 1) out.splice(out.length - 2, 2, out.at(-1)!, out.at(-2)!);
    if (happens()) out.push(fragmentOf(packet));
  }
  return out;
}

/** A first fragment with the packet's own headers, where it is IPv4. */
function fragmentOf(packet: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (packet[0]! >> 4 !== 4) return packet.slice();
  const copy = packet.slice();
  copy[6] = 0x20;
  return withIpChecksum(copy);
}

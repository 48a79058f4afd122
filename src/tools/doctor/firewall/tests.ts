/** Conditions of rules that both tools can write. Pure. */

import {
  addressBits,
  maskBytes,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../../../net/prefix.ts";
import type { Packet, Test } from "./model.ts";

/** A condition that is beyond the model. */
export const UNKNOWN: Test = () => undefined;

/** The opposite of a condition. */
export function not(test: Test): Test {
  return (packet) => {
    const answer = test(packet);
    return answer === undefined ? undefined : !answer;
  };
}

/** True if one of the conditions is. */
export function any(tests: readonly Test[]): Test {
  return (packet) => {
    const answers = tests.map((test) => test(packet));
    return answers.includes(true) ? true : answers.includes(undefined) ? undefined : false;
  };
}

/** An interface's name; `wildcard` at its end means any ending. */
export function interfaceIs(
  side: "input" | "output",
  name: string,
  wildcard: "+" | "*",
): Test {
  if (!name.endsWith(wildcard)) return (packet) => packet[side] === name;
  const start = name.slice(0, -1);
  return (packet) => packet[side].startsWith(start);
}

/** An address or a prefix of one of the packet's two addresses; a text that is none: unknown. */
export function addressIn(side: "source" | "destination", text: string): Test {
  const prefix = readPrefix(text);
  if (!prefix) return UNKNOWN;
  return (packet) => {
    const { version, bytes } = packet[side];
    if (version !== prefix.version) return false;
    const masked = maskBytes(bytes, prefix.length_bits);
    return masked.every((byte, i) => byte === prefix.bytes[i]);
  };
}

function readPrefix(text: string): Prefix | undefined {
  if (text.includes("/")) return parsePrefix(text)?.prefix;
  const address = parseAddress(text);
  return address && { ...address, length_bits: addressBits(address.version) };
}

/** An address between two others, both included. */
export function addressBetween(
  side: "source" | "destination",
  first: string,
  last: string,
): Test {
  const low = parseAddress(first);
  const high = parseAddress(last);
  if (!low || !high || low.version !== high.version) return UNKNOWN;
  return (packet) => {
    const { version, bytes } = packet[side];
    return version === low.version && compare(low.bytes, bytes) <= 0 &&
      compare(bytes, high.bytes) <= 0;
  };
}

function compare(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return 0;
}

/** A port of TCP or UDP from `first` to `last`. */
export function portBetween(
  side: "sourcePort" | "destinationPort",
  first: number,
  last: number,
): Test {
  if (!Number.isInteger(first) || !Number.isInteger(last)) return UNKNOWN;
  return (packet) => packet.protocol !== "icmp" && packet[side] >= first && packet[side] <= last;
}

/** Numbers of protocols that rules write instead of names (IANA's list). */
const PROTOCOL_NUMBERS: Readonly<Record<string, string>> = {
  "1": "icmp",
  "6": "tcp",
  "17": "udp",
  "58": "ipv6-icmp",
};

/** The transport protocol, by name or number. */
export function protocolIs(text: string): Test {
  const name = PROTOCOL_NUMBERS[text] ?? text;
  if (name === "all" || name === "0") return () => true;
  return ({ protocol, version }: Packet) => {
    if (protocol !== "icmp") return name === protocol;
    return version === 4 ? name === "icmp" : ["icmpv6", "ipv6-icmp"].includes(name);
  };
}

/** The state of the packet's connection: it is the first of a new one. */
export function stateIn(states: readonly string[]): Test {
  return () => states.some((state) => state.toLowerCase() === "new");
}

/** Whether the packet is for this host itself. */
export const FOR_THIS_HOST: Test = ({ output, input }) => output === "" && input !== "";

/** A packet's mark: nobody has set one. */
export function markIs(value: number, mask: number): Test {
  if (!Number.isInteger(value) || !Number.isInteger(mask)) return UNKNOWN;
  return () => (value & mask) === 0;
}

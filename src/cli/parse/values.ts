/** Values of flags that only the command line has: a text to its meaning, or what is wrong. Pure. */

import {
  CAPTURE_FILES_MAX,
  CAPTURE_SIZE_MIN_BYTES,
  HELLO_INTERVAL_MAX_MS,
  HELLO_INTERVAL_MIN_MS,
  LAB_NODES_MAX,
  LAB_NODES_MIN,
} from "../../base/limits.ts";
import { quote, readHostPort, readNodeName, type Result } from "../../config/values.ts";
import { type Address, parseAddress, parsePrefix, type Prefix } from "../../net/prefix.ts";

/** An address to give to a device, with the length of its network. */
export interface InterfaceAddress {
  readonly address: Address;
  readonly length_bits: number;
}

/** A whole number from `least` to `most`; `noun` and `how` word the problem. */
function readNumber(least: number, most: number, noun: string, how: string) {
  return (text: string): Result<number> => {
    const number = /^[1-9][0-9]{0,14}$/.test(text) ? Number(text) : 0;
    if (number >= least && number <= most) return { value: number };
    return { problem: { what: `${quote(text)} is not ${noun}`, how } };
  };
}

/** A number of packets. */
export const readCount = readNumber(1, Infinity, "a number of packets", "1 or more");

/** A number of capture files to keep. */
export const readCaptureFiles = readNumber(
  1,
  CAPTURE_FILES_MAX,
  "a number of files",
  `a number from 1 to ${CAPTURE_FILES_MAX}`,
);

/** A number of nodes of a lab. */
export const readLabNodes = readNumber(
  LAB_NODES_MIN,
  LAB_NODES_MAX,
  "a number of nodes",
  `a number from ${LAB_NODES_MIN} to ${LAB_NODES_MAX}`,
);

/** The length of each node's subnet: room for a gateway and a pod. */
export const readSubnetLength = readNumber(1, 30, "a length of subnets", "a number from 3 to 30");

/** How nodes of a network in etcd reach each other. */
export function readBackend(text: string): Result<"udp" | "wireguard"> {
  if (text === "udp" || text === "wireguard") return { value: text };
  const why = "tunnet speaks two of flannel's";
  return { problem: { what: `${quote(text)} is no backend`, why, how: "udp or wireguard" } };
}

/** How often a node says hello: a time such as 5s or 250ms, in ms. */
export function readHelloInterval(text: string): Result<number> {
  const [, digits, unit] = /^([1-9][0-9]{0,5})(ms|s)$/.exec(text) ?? [];
  const interval_ms = Number(digits) * (unit === "s" ? 1000 : 1);
  if (interval_ms >= HELLO_INTERVAL_MIN_MS && interval_ms <= HELLO_INTERVAL_MAX_MS) {
    return { value: interval_ms };
  }
  const [min, max] = [HELLO_INTERVAL_MIN_MS, HELLO_INTERVAL_MAX_MS / 1000];
  const why = digits ? "out of range" : "not a number with ms or s behind it";
  return {
    problem: { what: `${quote(text)} is not a time`, why, how: `5s, or from ${min}ms to ${max}s` },
  };
}

/** Seconds between two handshakes, 1s to 120s, in ms: a peer takes older sessions for outdated. */
export function readRekeyAfter(text: string): Result<number> {
  const seconds = Number(/^([1-9][0-9]{0,2})s$/.exec(text)?.[1]);
  if (seconds <= 120) return { value: 1000 * seconds };
  return { problem: { what: `${quote(text)} is not a time`, how: "1s to 120s" } };
}

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

/** A size in bytes: a number, with K, M or G for powers of 1,024. */
export function readCaptureSize(text: string): Result<number> {
  const match = /^([1-9][0-9]{0,11})([KMG]?)$/i.exec(text);
  const size_bytes = match ? Number(match[1]) * UNITS[match[2]!.toUpperCase()]! : 0;
  if (size_bytes >= CAPTURE_SIZE_MIN_BYTES) return { value: size_bytes };
  return {
    problem: {
      what: `${quote(text)} is not a size of a capture file`,
      why: match ? `below ${CAPTURE_SIZE_MIN_BYTES / 1024}K` : undefined,
      how: "a number with K, M or G, such as 100M",
    },
  };
}

/** Where to listen, as the text has it: it is bound later. */
export function readListen(text: string): Result<string> {
  const result = readHostPort(text, "bind");
  return result.problem ? result : { value: text };
}

/** What packets go to: an address, a subnet, or what a node of this name has. */
export type Target = Address | Prefix | string;

/** An address, a subnet or a node's name. */
export function readTarget(text: string): Result<Target> {
  const value = parseAddress(text) ?? parsePrefix(text)?.prefix;
  if (value) return { value };
  // A name made of numbers is an address gone wrong.
  if (!readNodeName(text).problem && !/^[0-9.]+$/.test(text)) return { value: text };
  const what = `${quote(text)} is neither an IP address nor a subnet nor a node's name`;
  return { problem: { what, how: "tunnet route ADDRESS" } };
}

/** An address with its network's length; unlike a subnet, its host bits count. */
export function readInterfaceAddress(text: string): Result<InterfaceAddress> {
  const parsed = parsePrefix(text);
  const address = parseAddress(text.slice(0, text.indexOf("/")));
  if (parsed && address) return { value: { address, length_bits: parsed.prefix.length_bits } };
  const how = "ADDRESS/LENGTH such as 192.168.1.1/24 or fd00::1/64";
  return { problem: { what: `${quote(text)} is not an address with its length`, how } };
}

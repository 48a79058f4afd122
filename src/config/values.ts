/** One value each of a config or a command line: its text to its meaning, or what is wrong. Pure. */

import type { ErrorParts } from "../base/errors.ts";
import {
  DEVICE_NAME_MAX_BYTES,
  MTU_MAX_BYTES,
  MTU_MIN_BYTES,
  NODE_NAME_MAX_BYTES,
} from "../base/limits.ts";
import { escapeControls } from "../base/text.ts";
import { isGroupMac, parseMac } from "../net/ethernet.ts";
import {
  type Address,
  formatAddress,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../net/prefix.ts";
import { isZero, parseKey } from "../wire/keys.ts";
import type { Mode } from "../wire/mode.ts";

/** A value, perhaps with a warning; or the problem, worded without its place. */
export type Result<T> =
  | { readonly value: T; readonly warning?: string; readonly problem?: undefined }
  | { readonly problem: ErrorParts };

/** A host and its port, which is absent when the text names none. */
export interface HostPort {
  /** An address in canonical text, or a host name in lower case. */
  readonly host: string;
  /** The address, when the host is one. */
  readonly address?: Address;
  readonly port?: number;
}

const QUOTED_MAX = 60;

/** The text in double quotes, on one line, cut to a readable length. */
export function quote(text: string): string {
  const cut = text.length > QUOTED_MAX ? `${text.slice(0, QUOTED_MAX)}...` : text;
  // Line breaks and direction marks that JSON leaves as they are would garble the line.
  return escapeControls(JSON.stringify(cut));
}

function explainIpv4(text: string): string {
  const parts = text.split(".");
  if (!parts.every((part) => /^[0-9]+$/.test(part))) return "not four numbers with dots";
  if (parts.length !== 4) return `${parts.length} octet${parts.length === 1 ? "" : "s"}, not 4`;
  if (parts.some((part) => Number(part) > 255)) return "an octet is over 255";
  return "an octet has a leading zero";
}

function explainIpv6(text: string): string {
  if (text.includes("%")) return "zone ids are not supported";
  if (text.split("::").length > 2 || text.includes(":::")) return '"::" is there more than once';
  const groups = text.split(":").filter((group) => group !== "");
  const v4 = groups.find((group) => group.includes("."));
  if (v4 !== undefined && !parseAddress(v4)) return explainIpv4(v4);
  if (groups.some((group) => group !== v4 && !/^[0-9a-fA-F]{1,4}$/.test(group))) {
    return "a group is not 1 to 4 hex digits";
  }
  const count = groups.length + (v4 === undefined ? 0 : 1);
  return text.includes("::") ? "too many groups" : `${count} groups, not 8`;
}

/** Why the text is no IP address. */
function explainAddress(text: string): string {
  if (text === "") return "it is empty";
  return text.includes(":") ? explainIpv6(text) : explainIpv4(text);
}

function explainPrefix(text: string): { why: string; how: string } {
  const how = `ADDRESS/LENGTH such as ${text.includes(":") ? "fd00:2::/64" : "172.2.0.0/16"}`;
  const slash = text.indexOf("/");
  if (slash < 0) {
    const address = parseAddress(text);
    if (address === undefined) return { why: explainAddress(text), how };
    const bits = address.bytes.length * 8;
    return { why: "it has no length", how: `${text}/${bits === 32 ? guessLength(address) : 64}` };
  }
  const address = parseAddress(text.slice(0, slash));
  if (address === undefined) return { why: explainAddress(text.slice(0, slash)), how };
  const length = text.slice(slash + 1);
  if (/,/.test(length)) return { why: "several in one string", how: "[A/LENGTH, B/LENGTH]" };
  if (!/^[0-9]+$/.test(length)) return { why: "the length is not a number", how };
  if (/^0[0-9]/.test(length)) return { why: "the length has a leading zero", how };
  return { why: `the length is over ${address.bytes.length * 8}`, how };
}

/** The length that the zero octets at the end of an IPv4 address suggest. */
function guessLength(address: Address): number {
  const used = address.bytes.findLastIndex((byte) => byte !== 0) + 1;
  return 8 * Math.max(1, used);
}

/** Prefixes in which no pod can live. */
const NOT_FOR_PODS = (["127.0.0.0/8", "224.0.0.0/4", "::1/128", "ff00::/8", "fe80::/10"] as const)
  .map((text, i) => ({
    prefix: parsePrefix(text)!.prefix,
    why: ["loopback", "multicast", "loopback", "multicast", "link-local"][i]!,
  }));

function startsWithBits(bytes: Uint8Array, prefix: Prefix): boolean {
  for (let bit = 0; bit < prefix.length_bits; bit += 8) {
    const mask = (0xff00 >> Math.min(8, prefix.length_bits - bit)) & 0xff;
    if (((bytes[bit >> 3]! ^ prefix.bytes[bit >> 3]!) & mask) !== 0) return false;
  }
  return true;
}

function special(address: Address): string | undefined {
  return NOT_FOR_PODS.find(({ prefix }) =>
    prefix.version === address.version && startsWithBits(address.bytes, prefix)
  )?.why;
}

/** `::ffff:a.b.c.d` (RFC 4291, 2.5.5.2): sockets show it, packets never carry it. */
function isMapped({ version, bytes }: Address): boolean {
  return version === 6 && bytes.subarray(0, 10).every((byte) => byte === 0) &&
    bytes[10] === 255 && bytes[11] === 255;
}

/** A pod prefix. Host bits are cleared with a warning. */
export function readPrefix(text: string): Result<Prefix> {
  const parsed = parsePrefix(text);
  if (parsed === undefined) {
    return { problem: { what: `${quote(text)} is not a prefix`, ...explainPrefix(text) } };
  }
  const { prefix, hostBits } = parsed;
  if (prefix.length_bits === 0) {
    return {
      problem: {
        what: `${quote(text)} is too wide`,
        why: "it covers every address, those of the nodes too",
        how: "default: NAME for the node that gets the rest",
      },
    };
  }
  const why = isMapped(prefix) ? "IPv4 written as IPv6" : special(prefix);
  if (why) return { problem: { what: `${quote(text)} cannot hold pods`, why } };
  if (!hostBits) return { value: prefix };
  const canonical = `${formatAddress(prefix.bytes)}/${prefix.length_bits}`;
  return { value: prefix, warning: `${quote(text)} has host bits set; read as ${canonical}` };
}

const PORT_HOW = "a number from 1 to 65535";

/** A UDP port. */
export function readPort(text: string): Result<number> {
  const what = `${quote(text)} is not a port`;
  if (!/^[0-9]+$/.test(text)) return { problem: { what, why: "not a number", how: PORT_HOW } };
  if (/^0[0-9]/.test(text)) {
    return { problem: { what, why: "it has a leading zero", how: PORT_HOW } };
  }
  const port = Number(text);
  if (port < 1 || port > 65_535) return { problem: { what, why: "out of range", how: PORT_HOW } };
  return { value: port };
}

/** An MTU in bytes, or `auto`. */
export function readMtu(text: string): Result<number | "auto"> {
  if (text === "auto") return { value: "auto" };
  const what = `${quote(text)} is not an MTU`;
  const how = `auto, or a number from ${MTU_MIN_BYTES} to ${MTU_MAX_BYTES}`;
  if (!/^[0-9]+$/.test(text)) return { problem: { what, why: "not a number", how } };
  if (/^0[0-9]/.test(text)) return { problem: { what, why: "it has a leading zero", how } };
  const mtu_bytes = Number(text);
  if (mtu_bytes < MTU_MIN_BYTES || mtu_bytes > MTU_MAX_BYTES) {
    return { problem: { what, why: "out of range", how } };
  }
  return { value: mtu_bytes };
}

/** Whether the overlay carries IP packets or Ethernet frames. */
export function readMode(text: string): Result<Mode> {
  if (text === "tun" || text === "tap") return { value: text };
  return { problem: { what: `${quote(text)} is not a mode`, how: "tun or tap" } };
}

/** A station's MAC address. */
export function readMac(text: string): Result<Uint8Array> {
  const what = `${quote(text)} is not a station's MAC address`;
  const how = "six octets such as 02:42:ac:01:00:02";
  const fail = (why: string): Result<Uint8Array> => ({ problem: { what, why, how } });
  const mac = parseMac(text);
  if (mac === undefined) return fail("not six pairs of hex digits with colons");
  if (mac.every((octet) => octet === 0)) return fail("all zeros");
  if (isGroupMac(new DataView(mac.buffer), 0)) {
    return fail("a group: the lowest bit of its first octet is set");
  }
  return { value: mac };
}

/** A WireGuard public key: 32 bytes in base64. */
export function readPublicKey(text: string): Result<Uint8Array> {
  const key = parseKey(text);
  if (key && !isZero(key)) return { value: key };
  // Never the text itself: it may be a private key in the wrong place.
  const what = "not a public key";
  const how = "what `tunnet key` or `wg pubkey` prints";
  const why = key ? "all zeros" : "a key is 44 characters of base64, the last of them =";
  return { problem: { what, why, how } };
}

/** Path of a file that holds a key: absolute, so that it is the same one wherever tunnet starts. */
export function readKeyFile(text: string): Result<string> {
  // deno-lint-ignore no-control-regex -- what would be a second line of a unit file.
  if (/^\/[^\x00-\x1f\x7f]*$/.test(text)) return { value: text };
  if (parseKey(text)) {
    const what = "a key itself, and this file is the same on every node";
    return { problem: { what, how: "the path of a file with mode 0600 that holds the key" } };
  }
  const why = "not an absolute path";
  return { problem: { what: quote(text), why, how: "such as /etc/tunnet/private.key" } };
}

/** `true` or `false`. */
export function readFlag(text: string): Result<boolean> {
  if (text === "true" || text === "false") return { value: text === "true" };
  return { problem: { what: `${quote(text)} is neither true nor false` } };
}

/** A duration from 1 s to 65,535 s (WireGuard's range), such as `25s`; `0` or `off`: 0. In ms. */
export function readKeepalive(text: string): Result<number> {
  if (text === "0" || text === "off") return { value: 0 };
  const seconds = /^([1-9][0-9]{0,4})s?$/.exec(text)?.[1];
  if (seconds && Number(seconds) <= 65_535) return { value: 1000 * Number(seconds) };
  const how = "seconds such as 25s, or off";
  return { problem: { what: `${quote(text)} is no keepalive`, why: "1s to 65535s", how } };
}

/**
 * The name of a network device, by the kernel's rules (dev_valid_name, and no `%` pattern), which
 * firewalls and other programs take literally too.
 */
export function readDevice(text: string): Result<string> {
  const what = `${quote(text)} is not a device name`;
  const how = "a short name such as tunnet0";
  const fail = (why: string): Result<string> => ({ problem: { what, why, how } });
  if (text === "") return fail("it is empty");
  const length_bytes = new TextEncoder().encode(text).length;
  if (length_bytes > DEVICE_NAME_MAX_BYTES) {
    return fail(`${length_bytes} bytes, at most ${DEVICE_NAME_MAX_BYTES}`);
  }
  // The last two are directories of /proc/sys/net/ipv4/conf that mean more than one device.
  if ([".", "..", "all", "default"].includes(text)) return fail("reserved");
  // For programs that are given the name, an option or a negation.
  if (/^[-!]/.test(text)) return fail(`it begins with ${quote(text[0]!)}`);
  // The kernel takes more than ASCII; terminals and scripts do not. To iptables, a + at the end
  // means any characters, and so does a * to nft.
  const bad = /[^!-~]|[/:%+*]/u.exec(text);
  if (bad) return fail(`it holds ${bad[0] === " " ? "a space" : quote(bad[0])}`);
  return { value: text };
}

/** The name of a node. */
export function readNodeName(text: string): Result<string> {
  const what = `${quote(text)} is not a node name`;
  const how = "letters, digits, dots, dashes and underscores";
  const fail = (why: string): Result<string> => ({ problem: { what, why, how } });
  if (text === "") return fail("it is empty");
  if (text.length > NODE_NAME_MAX_BYTES) {
    return fail(`${text.length} characters, at most ${NODE_NAME_MAX_BYTES}`);
  }
  // It would be an option of the commands that are printed for it.
  if (text.startsWith("-")) return fail('it begins with "-"');
  const bad = /[^A-Za-z0-9._-]/u.exec(text);
  if (bad) return fail(`it holds ${bad[0] === " " ? "a space" : quote(bad[0])}`);
  return { value: text };
}

const HOST_HOW = "an IP address or a host name, with :PORT if need be";

/** Labels of RFC 1123, with the underscores that people use. */
function explainHostName(name: string): string | undefined {
  if (name.length > 253) return `${name.length} characters, at most 253`;
  for (const label of name.split(".")) {
    if (label === "") return "an empty label";
    if (label.length > 63) return "a label is over 63 characters";
    const bad = /[^A-Za-z0-9_-]/u.exec(label);
    if (bad) return `it holds ${bad[0] === " " ? "a space" : quote(bad[0])}`;
    if (label.startsWith("-") || label.endsWith("-")) return "a label begins or ends with a dash";
  }
  return undefined;
}

/** Splits a port off: `HOST`, `HOST:PORT`, `[IPV6]`, `[IPV6]:PORT` or a bare IPv6 address. */
function splitPort(text: string): { host: string; port?: string; why?: string } {
  if (text.startsWith("[")) {
    const match = /^\[([^\]]*)\](?::(.*))?$/s.exec(text);
    if (!match) return { host: text, why: "brackets go around an IPv6 address: [ADDRESS]:PORT" };
    const host = match[1]!;
    if (!host.includes(":")) return { host, why: "brackets are for IPv6 addresses" };
    return { host, port: match[2] };
  }
  const colons = text.split(":");
  return colons.length === 2 ? { host: colons[0]!, port: colons[1]! } : { host: text };
}

/** `HOST[:PORT]`: where a node is reached, or (with `bind`) where the own socket is bound. */
export function readHostPort(text: string, use: "peer" | "bind" = "peer"): Result<HostPort> {
  const what = `${quote(text)} is not an address`;
  const fail = (why: string, how = HOST_HOW): Result<HostPort> => ({
    problem: { what, why, how },
  });
  if (text === "") return fail("it is empty");
  if (text.includes("//")) return fail("a URL, not a host");
  const split = splitPort(text);
  if (split.why) return fail(split.why);
  let port: number | undefined;
  if (split.port !== undefined) {
    const result = readPort(split.port);
    if (result.problem) {
      return fail(`its port ${quote(split.port)} is wrong: ${result.problem.why}`, PORT_HOW);
    }
    port = result.value;
  }
  const address = parseAddress(split.host);
  if (address !== undefined) {
    const host = formatAddress(address.bytes);
    const bad = unusable(address, use);
    if (bad) return { problem: { what: `${quote(text)} is not a node's address`, ...bad } };
    const warning = doubtful(text, address, use);
    return { value: { host, address, port }, ...(warning ? { warning } : {}) };
  }
  if (split.host.includes(":")) return fail(explainIpv6(split.host));
  const name = split.host.replace(/\.$/, "").toLowerCase();
  // A name that ends in a number is an address gone wrong (and inet_aton would accept it).
  if (/^(0x[0-9a-f]*|[0-9]+)$/.test(name.slice(name.lastIndexOf(".") + 1))) {
    return fail(explainIpv4(split.host));
  }
  if (split.host.includes("/")) {
    return fail("a prefix, not an address", "the address without /LENGTH");
  }
  const why = name === "" ? "the host is empty" : explainHostName(name);
  if (why) return fail(why);
  const own = use === "peer" && /^localhost(\.|$)/.test(name);
  return { value: { host: name, port }, ...(own ? { warning: ownAddress(text) } : {}) };
}

function ownAddress(text: string): string {
  return `${quote(text)} is every node's own address: each takes itself for this node`;
}

/** What is an address, but perhaps not the one that was meant. */
function doubtful(text: string, address: Address, use: "peer" | "bind"): string | undefined {
  const [, host, port] = /^(.*[^:[]):([1-9][0-9]{3})$/.exec(text) ?? [];
  if (host !== undefined && parseAddress(host)?.version === 6) {
    return `${quote(text)} is read as an address without a port; meant "[${host}]:${port}"?`;
  }
  return use === "peer" && special(address) === "loopback" ? ownAddress(text) : undefined;
}

function unusable(
  address: Address,
  use: "peer" | "bind",
): { why: string; how?: string } | undefined {
  const { bytes } = address;
  if (bytes.every((byte) => byte === 0)) {
    return use === "bind" ? undefined : { why: "unspecified: no peer could send to it" };
  }
  if (bytes.every((byte) => byte === 255)) return { why: "broadcast" };
  if (isMapped(address)) {
    return { why: "IPv4 written as IPv6", how: formatAddress(bytes.subarray(12)) };
  }
  const kind = special(address);
  return kind === "multicast" || kind === "link-local" ? { why: kind } : undefined;
}

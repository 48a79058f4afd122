/** What nodes say of themselves in etcd, in flannel's layout: keys and values as text. Pure. */

import { type Address, formatAddress, parseAddress, type Prefix } from "../../../net/prefix.ts";
import { formatKey, parseKey } from "../../../wire/keys.ts";
import { ETCD_VALUE_MAX_BYTES } from "../../../base/limits.ts";

/** How a record's node is reached: flannel's `udp` and `wireguard`, which it calls backends. */
export type Backend = "udp" | "wireguard";

/** One node's subnet. */
export interface SubnetRecord {
  readonly subnet: Prefix;
  readonly address: Address;
  readonly backend: Backend;
  /** With the backend `wireguard`: 32 bytes. */
  readonly publicKey?: Uint8Array;
}

/** Why a record is left out. */
export const REFUSALS = [
  "malformed",
  "backend",
  "plain",
  "address",
  "own_address",
  "outside",
  "taken",
  "superseded",
  "too_many",
] as const;
/** One of REFUSALS. */
export type Refusal = typeof REFUSALS[number];

/** A record, or why it is none. */
export type ReadRecord =
  | { readonly record: SubnetRecord; readonly refusal?: undefined }
  | { readonly record?: undefined; readonly refusal: Refusal };

/** Below the prefix, the end of a node's key. */
const KEY_END = /^(\d{1,3}(?:\.\d{1,3}){3})-(\d{1,2})(?:&[0-9a-f:]{2,45}-\d{1,3})?$/;

/** Whether anybody could be reached there: no loopback, multicast, link-local or reserved address. */
function isUsable({ bytes: [a, b] }: Address): boolean {
  return a! > 0 && a! < 224 && a !== 127 && !(a === 169 && b === 254);
}

/** An IPv4 address as a number. */
export const toNumber = (bytes: Uint8Array): number =>
  (bytes[0]! << 24 | bytes[1]! << 16 | bytes[2]! << 8 | bytes[3]!) >>> 0;

/** The IPv4 prefix that begins at a number. */
export function prefixAt(first: number, length_bits: number): Prefix {
  const bytes = Uint8Array.of(first >>> 24, first >>> 16, first >>> 8, first);
  return { version: 4, bytes, length_bits };
}

/** How many addresses a prefix of this length has. */
export const sizeOf = (length_bits: number): number => 2 ** (32 - length_bits);

/** The end of a subnet's key: `10.5.34.0-24`. */
export const keyEnd = ({ bytes, length_bits }: Prefix): string =>
  `${formatAddress(bytes)}-${length_bits}`;

/** The subnet that a key's end tells of; undefined where it tells of none. */
export function parseKeyEnd(end: string): Prefix | undefined {
  const [, text, length] = KEY_END.exec(end) ?? [];
  const address = text === undefined ? undefined : parseAddress(text);
  const length_bits = Number(length);
  // Below that, there is no room for a gateway and a pod.
  if (!address || length_bits < 1 || length_bits > 30) return undefined;
  const first = toNumber(address.bytes);
  if (first % sizeOf(length_bits) !== 0) return undefined;
  return prefixAt(first, length_bits);
}

/** A value that JSON text holds; undefined where it holds no object. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a value of JSON is an object. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Reads a record from the end of its key and its value. */
export function readRecord(end: string, value: string): ReadRecord {
  const subnet = parseKeyEnd(end);
  const fields = value.length > ETCD_VALUE_MAX_BYTES ? undefined : parseObject(value);
  const { PublicIP, BackendType = "udp", BackendData } = fields ?? {};
  if (!subnet || !fields || typeof BackendType !== "string") return { refusal: "malformed" };
  const address = typeof PublicIP === "string" ? parseAddress(PublicIP) : undefined;
  if (address?.version !== 4) return { refusal: "malformed" };
  if (!isUsable(address)) return { refusal: "address" };
  // flannel leaves it out, or empty, for its first backend.
  if (BackendType === "udp" || BackendType === "") {
    return { record: { subnet, address, backend: "udp" } };
  }
  if (BackendType !== "wireguard") return { refusal: "backend" };
  const { PublicKey } = isObject(BackendData) ? BackendData : {};
  const publicKey = typeof PublicKey === "string" ? parseKey(PublicKey) : undefined;
  if (!publicKey) return { refusal: "malformed" };
  return { record: { subnet, address, backend: "wireguard", publicKey } };
}

/** The value of a record, byte for byte as flannel writes it. */
export function formatRecord(address: Address, publicKey?: Uint8Array): string {
  const common = { PublicIP: formatAddress(address.bytes), PublicIPv6: null };
  if (!publicKey) return JSON.stringify(common);
  const keyed = { BackendType: "wireguard", BackendData: { PublicKey: formatKey(publicKey) } };
  return JSON.stringify({ ...common, ...keyed });
}

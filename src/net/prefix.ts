/** IP addresses and prefixes: text to bytes and back. Pure. */

/** The IP version, as the first four bits of a packet. */
export type IpVersion = 4 | 6;

/** An IP address: 4 or 16 bytes in network order. */
export interface Address {
  /** Says how many bytes there are. */
  readonly version: IpVersion;
  /** In network order. */
  readonly bytes: Uint8Array;
}

/** A prefix (CIDR block): an address whose host bits are zero, and its length in bits. */
export interface Prefix extends Address {
  /** How many bits of the address belong to the prefix. */
  readonly length_bits: number;
}

/** Bits in an address of the version: 32 or 128. */
export function addressBits(version: IpVersion): 32 | 128 {
  return version === 4 ? 32 : 128;
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const part = parts[i]!;
    // No leading zeros: inet_aton reads them as octal, people do not (RFC 6943, 3.1.1).
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bytes[i] = Number(part);
  }
  return bytes;
}

function parseGroups(text: string): number[] | undefined {
  if (text === "") return [];
  const out: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    if (part.includes(".") && i === parts.length - 1) {
      const v4 = parseIpv4(part);
      if (!v4) return undefined;
      out.push((v4[0]! << 8) | v4[1]!, (v4[2]! << 8) | v4[3]!);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      out.push(parseInt(part, 16));
    }
  }
  return out;
}

/** RFC 4291, section 2.2: eight groups, one `::` for a run of zeros, a dotted tail. */
function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!);
  const tail = halves.length === 2 ? parseGroups(halves[1]!) : [];
  if (!head || !tail) return undefined;
  if (halves.length === 2 && halves[0]!.includes(".")) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array<number>(missing).fill(0), ...tail];
  const bytes = new Uint8Array(16);
  groups.forEach((group, i) => {
    bytes[2 * i] = group >> 8;
    bytes[2 * i + 1] = group & 0xff;
  });
  return bytes;
}

/** Reads an IPv4 or IPv6 address; undefined if the text is none. No zone ids. */
export function parseAddress(text: string): Address | undefined {
  if (text.length > 45) return undefined;
  if (text.includes(":")) {
    const bytes = parseIpv6(text);
    return bytes && { version: 6, bytes };
  }
  const bytes = parseIpv4(text);
  return bytes && { version: 4, bytes };
}

/** Text of 4 or 16 address bytes; IPv6 in the canonical form of RFC 5952. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! << 8) | bytes[i + 1]!);
  if (groups.slice(0, 5).every((g) => g === 0) && groups[5] === 0xffff) {
    return `::ffff:${bytes.subarray(12).join(".")}`;
  }
  let start = 0;
  let run = 0;
  for (let i = 0; i < 8;) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > run && end - i > 1) {
      start = i;
      run = end - i;
    }
    i = end + 1;
  }
  const hex = (from: number, to: number) =>
    groups.slice(from, to).map((g) => g.toString(16)).join(":");
  return run === 0 ? hex(0, 8) : `${hex(0, start)}::${hex(start + run, 8)}`;
}

/** The address with all bits after the first `length_bits` cleared. */
export function maskBytes(bytes: Uint8Array, length_bits: number): Uint8Array {
  const masked = bytes.slice();
  const whole = length_bits >> 3;
  if (whole >= masked.length) return masked;
  masked[whole]! &= 0xff00 >> (length_bits & 7);
  return masked.fill(0, whole + 1);
}

/**
 * Reads `ADDRESS/LENGTH`; undefined if the text is none. `hostBits` tells that
 * the address had bits set after the prefix (172.1.0.1/16), which are cleared.
 */
export function parsePrefix(text: string): { prefix: Prefix; hostBits: boolean } | undefined {
  const match = /^([^/]+)\/(0|[1-9][0-9]{0,2})$/.exec(text);
  if (!match) return undefined;
  const address = parseAddress(match[1]!);
  const length_bits = Number(match[2]);
  if (!address || length_bits > addressBits(address.version)) return undefined;
  const bytes = maskBytes(address.bytes, length_bits);
  return {
    prefix: { version: address.version, bytes, length_bits },
    hostBits: !sameBytes(bytes, address.bytes),
  };
}

/** `ADDRESS/LENGTH` in canonical text. */
export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix.bytes)}/${prefix.length_bits}`;
}

/** Whether two byte strings are equal. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Whether the address lies in the prefix (never, if their versions differ). */
export function prefixContains(prefix: Prefix, address: Address): boolean {
  if (prefix.version !== address.version) return false;
  const { bytes, length_bits } = prefix;
  const whole = length_bits >> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== address.bytes[i]) return false;
  const rest = length_bits & 7;
  return rest === 0 || ((bytes[whole]! ^ address.bytes[whole]!) & (0xff00 >> rest)) === 0;
}

/** Whether `outer` covers all of `inner`. */
export function prefixCovers(outer: Prefix, inner: Prefix): boolean {
  return outer.length_bits <= inner.length_bits && prefixContains(outer, inner);
}

/** Address number `host` of a prefix (its last byte), as text: 1 is by custom its gateway's. */
export function hostAddress(prefix: Prefix, host: number): string {
  const bytes = prefix.bytes.slice();
  bytes[bytes.length - 1]! |= host;
  return formatAddress(bytes);
}

/** Part number `index` of the 2^`bits` equal parts of a prefix; undefined where it has not so many. */
export function subPrefix(prefix: Prefix, bits: number, index: number): Prefix | undefined {
  const length_bits = prefix.length_bits + bits;
  if (length_bits > addressBits(prefix.version) || index >= 2 ** bits) return undefined;
  const bytes = prefix.bytes.slice();
  for (let i = 0; i < bits; i++) {
    const at = length_bits - 1 - i;
    if ((Math.floor(index / 2 ** i) & 1) === 1) bytes[at >> 3]! |= 0x80 >> (at & 7);
  }
  return { version: prefix.version, bytes, length_bits };
}

/** Whether a subnet holds a gateway's .1 and a pod's .2 beside its first and last address. */
export function hasHostRoom(prefix: Prefix): boolean {
  return prefix.length_bits <= addressBits(prefix.version) - 2;
}

/** `HOST:PORT`, with brackets around an IPv6 address. */
export function formatEndpoint(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

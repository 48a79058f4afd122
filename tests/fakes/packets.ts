/** Packets for tests, built independently of src/net. */

/** An address from text: dotted IPv4, or eight full groups of IPv6. */
export function addressBytes(text: string): number[] {
  if (!text.includes(":")) return text.split(".").map(Number);
  return text.split(":").flatMap((group) => {
    const value = parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

/** RFC 1071 the slow and obvious way; 0 over a range that holds a right checksum. */
export function slowChecksum(bytes: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += bytes[i]! * 256 + (bytes[i + 1] ?? 0);
    while (sum > 0xffff) sum = sum - 0x10000 + 1;
  }
  return 0xffff - sum;
}

/** Don't fragment (RFC 791). */
const DF = 0x4000;

/** An IPv4 packet with a right header checksum; with DF, unless `fragment` says otherwise. */
export function ipv4(
  source: string,
  destination: string,
  payload: readonly number[] = [1, 2, 3, 4],
  options: { protocol?: number; fragment?: number; headerOptions?: readonly number[] } = {},
): Uint8Array<ArrayBuffer> {
  const extra = options.headerOptions ?? [];
  const header = [0x45 + extra.length / 4, 0, 0, 0, 0, 7, 0, 0, 64, options.protocol ?? 17, 0, 0];
  const total = header.length + 8 + extra.length + payload.length;
  header[2] = total >> 8;
  header[3] = total & 0xff;
  header[6] = (options.fragment ?? DF) >> 8;
  header[7] = (options.fragment ?? DF) & 0xff;
  header.push(...addressBytes(source), ...addressBytes(destination), ...extra);
  const sum = slowChecksum(header);
  header[10] = sum >> 8;
  header[11] = sum & 0xff;
  return Uint8Array.from([...header, ...payload]);
}

/** An IPv6 packet; the addresses are eight full groups each. */
export function ipv6(
  source: string,
  destination: string,
  payload: readonly number[] = [1, 2, 3, 4],
  nextHeader = 17,
): Uint8Array<ArrayBuffer> {
  const length = payload.length;
  return Uint8Array.from([
    ...[0x60, 0, 0, 0, length >> 8, length & 0xff, nextHeader, 64],
    ...addressBytes(source),
    ...addressBytes(destination),
    ...payload,
  ]);
}

/** Ethernet frames for tests, built independently of src/net. */

/** The six bytes of `aa:bb:cc:dd:ee:ff`. */
export function macBytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.split(":").map((octet) => parseInt(octet, 16)));
}

/** A frame; `tags` are pairs of EtherType and VLAN id, the outer one first. */
export function frame(
  destination: string,
  source: string,
  type: number,
  payload: ArrayLike<number> = [],
  tags: readonly (readonly [number, number])[] = [],
): Uint8Array<ArrayBuffer> {
  const words = [...tags.flat(), type].flatMap((word) => [word >> 8, word & 0xff]);
  return Uint8Array.from([
    ...macBytes(destination),
    ...macBytes(source),
    ...words,
    ...Array.from(payload),
  ]);
}

/** An ARP request (RFC 826): who has `target`, tell `sender`; dotted addresses. */
export function arpRequest(source: string, sender: string, target: string) {
  return frame("ff:ff:ff:ff:ff:ff", source, 0x0806, [
    ...[0, 1, 8, 0, 6, 4, 0, 1],
    ...macBytes(source),
    ...sender.split(".").map(Number),
    ...[0, 0, 0, 0, 0, 0],
    ...target.split(".").map(Number),
  ]);
}

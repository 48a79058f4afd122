/**
 * Cuts an IPv4 packet without DF into fragments, as a router does where the next
 * link is narrower (RFC 791, section 3.2): only new headers are written, the
 * payload stays where it is. Pure.
 */

import { foldChecksum, sum16 } from "../net/checksum.ts";
import { IPV4, IPV4_HEADER_BYTES } from "../net/ip.ts";

/** What `begin` answers when a packet cannot be cut. */
export const NOT_CUT = 0;

const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;
/** Offsets count units of 8 bytes, in 13 bits. */
const OFFSET_MASK = 0x1fff;

/** IPv4 options: the end of the list, one byte of nothing, and the flag of those that go into each. */
const OPTION = { end: 0, nothing: 1, copied: 0x80 } as const;

/** Whether the sender of an IPv4 packet leaves it to routers to cut it. */
export function mayBeCut(view: DataView, offset: number): boolean {
  return (view.getUint16(offset + IPV4.fragment) & DONT_FRAGMENT) === 0;
}

/** One packet at a time; the same object serves all packets of a lane. */
export class Fragmenter {
  #view: DataView = new DataView(new ArrayBuffer(0));
  #offset = 0;
  #first_bytes = 0;
  #later_bytes = 0;
  /** Payload of the first fragment, and of each further one but the last. */
  #firstPayload_bytes = 0;
  #laterPayload_bytes = 0;
  #payload_bytes = 0;
  /** The options of further fragments. */
  readonly #options = new Uint8Array(40);

  /**
   * Takes the packet of `length` bytes at `offset`, which has passed `checkPacket`. Returns the
   * number of fragments of at most `mtu_bytes`; NOT_CUT where the sender forbids it, where there
   * is no room for a payload, and where it would end behind what an offset can say.
   */
  begin(view: DataView, offset: number, length: number, mtu_bytes: number): number {
    const fragment = view.getUint16(offset + IPV4.fragment);
    if ((fragment & DONT_FRAGMENT) !== 0) return NOT_CUT;
    const first_bytes = (view.getUint8(offset) & 0xf) * 4;
    const payload_bytes = length - first_bytes;
    if ((fragment & OFFSET_MASK) * 8 + payload_bytes > 8 * (OFFSET_MASK + 1)) return NOT_CUT;
    this.#view = view;
    this.#offset = offset;
    this.#first_bytes = first_bytes;
    this.#later_bytes = IPV4_HEADER_BYTES + this.#copyOptions();
    this.#payload_bytes = payload_bytes;
    // Down to whole units of 8 bytes.
    this.#firstPayload_bytes = (mtu_bytes - first_bytes) & ~7;
    this.#laterPayload_bytes = (mtu_bytes - this.#later_bytes) & ~7;
    if (this.#firstPayload_bytes <= 0 || this.#laterPayload_bytes <= 0) return NOT_CUT;
    const rest = payload_bytes - this.#firstPayload_bytes;
    return rest <= 0 ? 1 : 1 + Math.ceil(rest / this.#laterPayload_bytes);
  }

  /** Keeps the options that go into every fragment; returns their length, in whole words. */
  #copyOptions(): number {
    const options = this.#options.fill(OPTION.end);
    const view = this.#view;
    const end = this.#offset + this.#first_bytes;
    let kept = 0;
    for (let at = this.#offset + IPV4_HEADER_BYTES; at < end;) {
      const type = view.getUint8(at);
      if (type === OPTION.end) break;
      if (type === OPTION.nothing) {
        at++;
        continue;
      }
      const size = at + 1 < end ? view.getUint8(at + 1) : 0;
      // What contradicts itself ends the list.
      if (size < 2 || at + size > end) break;
      if ((type & OPTION.copied) !== 0) {
        for (let i = 0; i < size; i++) options[kept + i] = view.getUint8(at + i);
        kept += size;
      }
      at += size;
    }
    return (kept + 3) & ~3;
  }

  /** Header of fragment i in bytes. */
  headerLength(i: number): number {
    return i === 0 ? this.#first_bytes : this.#later_bytes;
  }

  /** Where the payload of fragment i starts in the arena. */
  payloadOffset(i: number): number {
    return this.#offset + this.#first_bytes + this.#payloadBefore(i);
  }

  /** Payload of fragment i in bytes. */
  payloadLength(i: number): number {
    const full = i === 0 ? this.#firstPayload_bytes : this.#laterPayload_bytes;
    return Math.min(full, this.#payload_bytes - this.#payloadBefore(i));
  }

  #payloadBefore(i: number): number {
    return i === 0 ? 0 : this.#firstPayload_bytes + (i - 1) * this.#laterPayload_bytes;
  }

  /** Writes the header of fragment i at `at` of `out`: at most 60 bytes. */
  writeHeader(i: number, out: DataView, at: number): void {
    const view = this.#view;
    const header_bytes = this.headerLength(i);
    for (let k = 0; k < IPV4_HEADER_BYTES; k++) {
      out.setUint8(at + k, view.getUint8(this.#offset + k));
    }
    for (let k = IPV4_HEADER_BYTES; k < header_bytes; k++) {
      const option = i === 0
        ? view.getUint8(this.#offset + k)
        : this.#options[k - IPV4_HEADER_BYTES]!;
      out.setUint8(at + k, option);
    }
    const before = this.#payloadBefore(i);
    const length = this.payloadLength(i);
    const fragment = view.getUint16(this.#offset + IPV4.fragment);
    const isLast = before + length === this.#payload_bytes;
    // Of a packet that is a fragment itself, the last one is only then the last when it was.
    const more = isLast ? fragment & MORE_FRAGMENTS : MORE_FRAGMENTS;
    out.setUint8(at, 0x40 | header_bytes / 4);
    out.setUint16(at + IPV4.totalLength, header_bytes + length);
    out.setUint16(at + IPV4.fragment, more | (fragment & OFFSET_MASK) + before / 8);
    out.setUint16(at + IPV4.checksum, 0);
    out.setUint16(at + IPV4.checksum, foldChecksum(sum16(out, at, header_bytes)));
  }
}

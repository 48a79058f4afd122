/** A part of a packet, read with every access checked: bytes from the network lie. Pure. */

import { formatAddress } from "../../net/prefix.ts";
import { DECODE_HEX_MAX_BYTES } from "../../base/limits.ts";
import type { DataLayer, Layer, Note } from "./types.ts";

/** Hex digits, two a byte. */
function hexText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A number as hex, with 0x and at least `digits` digits. */
export function hexNumber(value: number, digits: number): string {
  return `0x${value.toString(16).padStart(digits, "0")}`;
}

/**
 * A range of a packet. `length` bytes were on the wire; a capture may hold only
 * the first `captured` of them. Offsets count from the range's start.
 * INVARIANT: no method reads beyond `captured`; who reads checks with `has`.
 */
export class Window {
  readonly captured: number;

  constructor(readonly view: DataView, readonly at: number, readonly length: number, held: number) {
    this.captured = Math.max(0, Math.min(length, held));
  }

  /** Whether the first `count` bytes are here. */
  has(count: number): boolean {
    return count <= this.captured;
  }
  /** Whether everything that was on the wire is here. */
  get whole(): boolean {
    return this.captured === this.length;
  }
  u8(offset: number): number {
    return this.view.getUint8(this.at + offset);
  }
  u16(offset: number): number {
    return this.view.getUint16(this.at + offset);
  }
  u32(offset: number): number {
    return this.view.getUint32(this.at + offset);
  }
  bytes(offset: number, count: number): Uint8Array {
    return new Uint8Array(this.view.buffer, this.view.byteOffset + this.at + offset, count);
  }
  /** An IPv4 or IPv6 address of `count` bytes, as text. */
  address(offset: number, count: 4 | 16): string {
    return formatAddress(this.bytes(offset, count));
  }
  /** A MAC address, as text. */
  mac(offset: number): string {
    return Array.from(this.bytes(offset, 6), (byte) => byte.toString(16).padStart(2, "0"))
      .join(":");
  }
  /** What follows the first `offset` bytes. */
  from(offset: number): Window {
    return this.part(offset, this.length - offset);
  }
  /** `length` bytes from `offset` on; no more than there were. */
  part(offset: number, length: number): Window {
    const start = Math.min(offset, this.length);
    const end = Math.min(start + Math.max(0, length), this.length);
    return new Window(this.view, this.at + start, end - start, this.captured - start);
  }
}

/** What the decoders fill in. */
export class Findings {
  readonly layers: Layer[] = [];
  readonly notes: Note[] = [];
  protocol = "unknown";

  /**
   * `decodeQuoted` reads a packet that an ICMP error quotes. `quoted`: this is such a packet, and
   * is read no deeper than that.
   */
  constructor(
    readonly decodeQuoted: (packet: Window, findings: Findings) => void,
    readonly quoted = false,
  ) {}

  /** What is found in a packet that this one quotes. */
  quote(packet: Window): Findings {
    const inner = new Findings(this.decodeQuoted, true);
    this.decodeQuoted(packet, inner);
    return inner;
  }

  note(kind: Note["kind"], text: string): void {
    this.notes.push({ kind, text });
  }

  /**
   * Whether a header of `count` bytes can be read. If it was cut on the wire,
   * that is noted; if only the capture ends here, nobody lied.
   */
  header(window: Window, count: number, name: string): boolean {
    if (window.has(count)) return true;
    if (window.length < count) {
      this.note("cut", `${name} header of ${count} B, only ${window.length} B came`);
    }
    return false;
  }

  /** The rest, which no decoder reads. */
  data(window: Window): void {
    if (window.length > 0) this.layers.push(dataLayer(window));
  }
}

/** Bytes as they are. */
export function dataLayer(window: Window): DataLayer {
  const shown = Math.min(window.captured, DECODE_HEX_MAX_BYTES);
  return { kind: "data", length_bytes: window.length, hex: hexText(window.bytes(0, shown)) };
}

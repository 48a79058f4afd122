/** Runs the real Merger on packets laid out in an arena, with canaries, and keeps what it writes. */

import { assert, assertEquals } from "../assert.ts";
import type { Random } from "../fuzz/random.ts";
import { type MergeFeatures, Merger } from "../../src/offload/coalesce.ts";
import { readWritten, VIRTIO_BYTES, virtioBytes } from "./oracle.ts";

/** Everything a device may offer. */
export const ALL_FEATURES: MergeFeatures = { tcp4: true, tcp6: true, udp: true };

const CANARY = 0xa5;
/** Free bytes before the first packet, and between slots. */
const GUARD_BYTES = 32;

/** How packets lie in the arena: each in a slot of its own, or one behind the other (UDP_GRO). */
export type Layout = "slots" | "one behind the other";

/** The ways packets may come to the merger. */
export interface MergeOptions {
  /** Whether their sender may have left checksums partial. */
  readonly mayBePartial?: boolean;
  readonly features?: MergeFeatures;
  readonly layout?: Layout;
  /** Makes the merger flush now and then in between. */
  readonly flushes?: Random;
  /** The Ethernet header of each packet: none for packets of a tun device. */
  readonly ethernet?: (i: number) => readonly number[];
}

/** What a merger made of packets. */
export interface Merged {
  /** Each write to the device: a virtio header and a packet; Ethernet headers are taken off. */
  readonly written: readonly Uint8Array[];
  /** Packets in each write, as the merger counts them. */
  readonly counts: readonly number[];
  /** Packets that were taken the short way. */
  readonly followed: number;
  /** The Ethernet header of each write. */
  readonly ethernet: readonly (readonly number[])[];
}

/** Lays out, merges and flushes. Fails if a byte is touched that is not the merger's. */
export function merge(packets: readonly Uint8Array[], options: MergeOptions = {}): Merged {
  const { mayBePartial = false, features = ALL_FEATURES, layout = "slots", flushes } = options;
  const { ethernet = () => [] } = options;
  const gap = layout === "slots" ? GUARD_BYTES : 0;
  const offsets: number[] = [];
  let end = GUARD_BYTES - gap;
  packets.forEach((packet, i) => {
    offsets.push(end + gap + ethernet(i).length);
    end = offsets[i]! + packet.length;
  });
  // Nothing lies after the last packet: reading on is an exception.
  const arena = new Uint8Array(end).fill(CANARY);
  const mine = new Uint8Array(end);
  packets.forEach((packet, i) => {
    const start = offsets[i]! - ethernet(i).length;
    arena.set(ethernet(i), start);
    arena.set(packet, offsets[i]!);
    mine.fill(1, start - VIRTIO_BYTES, offsets[i]! + packet.length);
  });
  const view = new DataView(arena.buffer);

  const written: Uint8Array[] = [];
  const counts: number[] = [];
  const headers: number[][] = [];
  const merger = new Merger({
    writeRun(offset, length, pieces) {
      const parts: number[] = [];
      for (let i = 0; i < pieces; i++) {
        assert(offset[i]! >= GUARD_BYTES - VIRTIO_BYTES && length[i]! > 0);
        assert(offset[i]! + length[i]! <= end, "a piece reaches beyond the arena");
        for (const byte of arena.subarray(offset[i]!, offset[i]! + length[i]!)) parts.push(byte);
      }
      // All packets of a test have Ethernet headers of one length, so the first tells.
      headers.push(parts.splice(VIRTIO_BYTES, ethernet(0).length));
      written.push(Uint8Array.from(parts));
      counts.push(pieces);
    },
  }, features);
  let followed = 0;
  for (let i = 0; i < packets.length;) {
    const { length, [0]: first } = packets[i]!;
    const header = ethernet(i).length;
    merger.add(view, offsets[i]!, length, first! >> 4 as 4 | 6, mayBePartial, header);
    if (flushes?.below(20) === 0) merger.flush();
    i++;
    // As the engine does with what UDP_GRO delivers: datagrams of one size.
    if (layout === "slots" || i === packets.length) continue;
    const different = packets.slice(i).findIndex((packet, k) =>
      packet.length + ethernet(i + k).length !== length + header
    );
    const same = different < 0 ? packets.length - i : different;
    const start = offsets[i]! - ethernet(i).length;
    const taken = same === 0 ? 0 : merger.follow(view, start, length + header, same);
    assert(taken >= 0 && taken <= same);
    followed += taken;
    i += taken;
  }
  merger.flush();
  const writes = written.length;
  merger.flush();
  assertEquals(written.length, writes, "what is flushed is gone");
  assert(arena.every((byte, at) => mine[at] === 1 || byte === CANARY), "a canary died");
  return {
    written: written.map((write, i) => withoutEthernet(write, headers[i]!.length)),
    counts,
    followed,
    ethernet: headers,
  };
}

/** Offsets in a virtio header count from the Ethernet header: makes them count from IP's. */
function withoutEthernet(written: Uint8Array, bytes: number): Uint8Array {
  const { virtio, packet } = readWritten(written);
  if (virtio.flags === 0) return written;
  const { headerLength, checksumStart } = virtio;
  const moved = {
    ...virtio,
    headerLength: headerLength === 0 ? 0 : headerLength - bytes,
    checksumStart: checksumStart - bytes,
  };
  return Uint8Array.from([...virtioBytes(moved), ...packet]);
}

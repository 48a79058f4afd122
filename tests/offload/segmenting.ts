/** Runs the real Splitter on a super-packet that fills its arena, with canaries around its output. */

import { assert, assertEquals } from "../assert.ts";
import { SPLIT_HEADER_MAX_BYTES, SPLIT_MALFORMED, Splitter } from "../../src/offload/segment.ts";
import { type SuperPacket, VIRTIO_BYTES, virtioBytes } from "./oracle.ts";

const CANARY = 0x5a;
const GUARD_BYTES = 16;
const splitter = new Splitter();

/**
 * The packets that the splitter makes, or undefined if it refuses. Nothing lies
 * before or after the super-packet, so reading there is an exception. In a
 * frame, an Ethernet header is before it; it is taken off again.
 */
export function split(
  { virtio, packet }: SuperPacket,
  completed: boolean,
  ethernet: readonly number[] = [],
): Uint8Array[] | undefined {
  const inFrame = {
    ...virtio,
    headerLength: virtio.headerLength + ethernet.length,
    checksumStart: virtio.checksumStart + ethernet.length,
  };
  // Headers are copied in words: those that are not made of words may be read on to the next.
  const slack = Array<number>(ethernet.length % 4).fill(CANARY);
  const arena = Uint8Array.from([...virtioBytes(inFrame), ...ethernet, ...packet, ...slack]);
  const before = arena.slice();
  const start = VIRTIO_BYTES + ethernet.length;
  const view = new DataView(arena.buffer);
  const segments = splitter.begin(view, start, packet.length, 0, ethernet.length);
  if (segments === SPLIT_MALFORMED) return undefined;
  const out = new Uint8Array(GUARD_BYTES + SPLIT_HEADER_MAX_BYTES + GUARD_BYTES);
  const { header_bytes } = splitter;
  assert(header_bytes <= SPLIT_HEADER_MAX_BYTES);
  const packets: Uint8Array[] = [];
  for (let i = 0; i < segments; i++) {
    out.fill(CANARY);
    splitter.writeHeader(i, new DataView(out.buffer), GUARD_BYTES, completed);
    const header = out.subarray(GUARD_BYTES, GUARD_BYTES + header_bytes);
    const after = GUARD_BYTES + Math.ceil(header_bytes / 4) * 4;
    assert(out.subarray(0, GUARD_BYTES).every((byte) => byte === CANARY));
    assert(out.subarray(after).every((byte) => byte === CANARY));
    assertEquals([...header.subarray(0, ethernet.length)], [...ethernet]);
    const at = splitter.payloadOffset(i);
    const end = at + splitter.payloadLength(i);
    assert(at >= VIRTIO_BYTES + header_bytes && end >= at && end <= arena.length - slack.length);
    packets.push(
      Uint8Array.from([...header.subarray(ethernet.length), ...arena.subarray(at, end)]),
    );
  }
  assertEquals(arena, before, "the super-packet stays as it was");
  return packets;
}

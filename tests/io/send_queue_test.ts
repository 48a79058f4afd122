/**
 * The send queue against what the kernel does with its messages: sendmsg(2),
 * and UDP_SEGMENT of udp(7), read from memory at the offsets of the C headers.
 */

import { SOL_UDP, UDP_SEGMENT } from "../../ffi/socket.ts";
import { addressOf } from "../../ffi/libc.ts";
import { assert, assertEquals } from "../assert.ts";
import { fuzzMultiplier, type Random, random } from "../fuzz/random.ts";
import { Burst, SLOT_STRIDE_BYTES } from "../../src/io/arena.ts";
import { Run } from "../../src/io/run.ts";
import { SendQueue } from "../../src/io/send_queue.ts";

/** One message as the kernel reads it. */
interface Message {
  readonly peer: number;
  readonly datagrams: readonly Uint8Array[];
}

/** UDP_MAX_SEGMENTS of Linux before 6.8, and the most that one IPv4 packet can hold. */
const SEGMENTS_MAX = 64;
const MESSAGE_MAX_BYTES = 65_507;

/** Reads a struct mmsghdr and all that it points to. */
function readMessage(pointer: Deno.PointerObject): Message {
  const header = new Deno.UnsafePointerView(pointer);
  const at = (offset: number) => {
    const address = header.getBigUint64(offset);
    return new Deno.UnsafePointerView(Deno.UnsafePointer.create(address)!);
  };
  assertEquals(header.getUint32(8), 16, "msg_namelen");
  const peer = at(0).getUint32(4);
  const ranges = Number(header.getBigUint64(24));
  assert(ranges >= 1 && ranges <= 1024, `msg_iovlen ${ranges}`);
  const iov = at(16);
  const parts: Uint8Array[] = [];
  for (let i = 0; i < ranges; i++) {
    const length = Number(iov.getBigUint64(16 * i + 8));
    const base = Deno.UnsafePointer.create(iov.getBigUint64(16 * i))!;
    parts.push(new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(base, length)));
  }
  const whole = concat(parts);
  const controlBytes = Number(header.getBigUint64(40));
  if (controlBytes === 0) return { peer, datagrams: [whole] };
  const control = at(32);
  assertEquals(controlBytes, 24, "CMSG_SPACE(sizeof(uint16_t))");
  assertEquals(Number(control.getBigUint64(0)), 18, "CMSG_LEN(sizeof(uint16_t))");
  assertEquals([control.getInt32(8), control.getInt32(12)], [SOL_UDP, UDP_SEGMENT]);
  const size = control.getUint16(16);
  const datagrams: Uint8Array[] = [];
  for (let start = 0; start < whole.length; start += size) {
    datagrams.push(whole.slice(start, start + size));
  }
  // What udp_send_skb refuses.
  assert(size > 0 && whole.length > size && datagrams.length <= SEGMENTS_MAX);
  assert(whole.length <= MESSAGE_MAX_BYTES, `${whole.length} bytes in a message`);
  return { peer, datagrams };
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Quick, where the values are large; what differs is then shown by the slow comparison. */
function assertSame(actual: readonly Uint8Array[], expected: readonly Uint8Array[], what: string) {
  const same = actual.length === expected.length && actual.every((bytes, i) => {
    const other = expected[i]!;
    return bytes.length === other.length && bytes.every((byte, at) => byte === other[at]);
  });
  if (!same) assertEquals(actual, expected, what);
}

const PEERS = 5;
/** A fake of a socket address: 16 bytes that hold the peer's number. */
const names = new Uint32Array(4 * PEERS).map((_, i) => i % 4 === 1 ? Math.floor(i / 4) : 0);
const nameOf = (peer: number) => addressOf(new Uint8Array(names.buffer, 16 * peer));
const ARENA_BYTES = 200_000;

const HEAD_STRIDE_BYTES = 64;

/** Up to 50 datagrams of one size somewhere in the arena, with or without headers. */
function draw(dice: Random, size: number) {
  const headLength = dice.below(2) === 0 ? 0 : Math.min(dice.pick([20, 40, 52]), size - 1);
  const bodyLength = size - headLength;
  const most = Math.max(1, Math.min(50, Math.floor(ARENA_BYTES / size) - 1));
  const count = dice.below(2) === 0 ? 1 : 1 + dice.below(most);
  return {
    count,
    head: dice.below(ARENA_BYTES - count * HEAD_STRIDE_BYTES),
    headLength,
    body: dice.below(ARENA_BYTES - count * bodyLength),
    bodyLength,
  };
}

const ROUNDS = Math.round(50 * fuzzMultiplier());

for (const maxDatagrams of [undefined, 1]) {
  const name = maxDatagrams === undefined ? "with segmentation" : "without segmentation";
  Deno.test(`send queue, ${name}: ${ROUNDS} bursts leave as they came, in order per peer`, () => {
    const dice = random(0x5e4d);
    const burst = new Burst(Math.ceil(ARENA_BYTES / SLOT_STRIDE_BYTES));
    const arena = burst.bytes;
    arena.set(dice.bytes(arena.length));
    const run = new Run(burst);
    run.headStride_bytes = HEAD_STRIDE_BYTES;
    const queue = new SendQueue(maxDatagrams);
    let fullCount = 0;
    let messages = 0;
    let datagrams = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const wanted = Array.from({ length: PEERS }, (): Uint8Array[] => []);
      const sizes = dice.pick([[100], [1472, 1472, 1472, 60], [1, 2, 3], [9000, 65_507], [40, 41]]);
      const count = dice.below(200);
      let peer = 0;
      let queued = 0;
      for (; queued < count; queued++) {
        if (dice.below(3) === 0) peer = dice.below(PEERS);
        const size = dice.pick(sizes);
        const drawn = draw(dice, size);
        const { head, headLength, body, bodyLength } = drawn;
        run.destination = peer;
        run.count = drawn.count;
        run.head = head;
        run.head_bytes = headLength;
        run.body = body;
        run.body_bytes = bodyLength;
        const taken = queue.add(run, nameOf(peer), 16);
        for (let i = 0; i < taken; i++) {
          const headAt = head + i * HEAD_STRIDE_BYTES;
          const bodyAt = body + i * bodyLength;
          const parts = [
            arena.subarray(headAt, headAt + headLength),
            arena.subarray(bodyAt, bodyAt + bodyLength),
          ];
          wanted[peer]!.push(concat(parts));
        }
        if (taken < drawn.count) break;
      }
      if (queued < count) fullCount++;
      queue.seal();
      const sent = Array.from({ length: PEERS }, (): Uint8Array[] => []);
      for (let i = 0; i < queue.messages; i++) {
        const message = readMessage(queue.pointers[i]!);
        const bytes = message.datagrams.reduce((sum, { length }) => sum + length, 0);
        assertEquals(
          [queue.destinationOf(i), queue.datagramsOf(i), queue.bytesOf(i)],
          [message.peer, message.datagrams.length, bytes],
        );
        // One by one, for a device that refuses segmentation, they are the same.
        message.datagrams.forEach((datagram, number) => {
          queue.isolate(i, number);
          assertSame(readMessage(queue.pointers[i]!).datagrams, [datagram], "alone");
        });
        sent[message.peer]!.push(...message.datagrams);
        if (maxDatagrams === 1) assertEquals(message.datagrams.length, 1);
        datagrams += message.datagrams.length;
      }
      messages += queue.messages;
      for (let i = 0; i < PEERS; i++) assertSame(sent[i]!, wanted[i]!, `round ${round}, peer ${i}`);
      queue.clear();
      assertEquals(queue.messages, 0);
    }
    // The queue was full now and then, and neighbours shared messages.
    assert(fullCount > 0, "never full");
    if (maxDatagrams === undefined) assert(messages < 0.6 * datagrams, `${messages} ${datagrams}`);
  });
}

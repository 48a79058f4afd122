/**
 * ChaCha20-Poly1305 (RFC 8439, section 2.8) without additional data, as a module
 * of WebAssembly with SIMD. The sums of Poly1305 use the processor's units for
 * numbers, ChaCha20 those for vectors: both are mixed, so that they run at the
 * same time. Pure.
 */

import * as chacha20 from "./chacha20.ts";
import {
  choose,
  type Code,
  i32,
  i64,
  type Local,
  Locals,
  loopWhile,
  moduleOf,
  TYPE,
  v128,
  when,
  whileDo,
} from "./emit.ts";
import {
  beginPoly,
  finishPoly,
  POLY_BLOCK_BYTES,
  polyBlock,
  polyBlocks,
  polyLocals,
} from "./poly1305.ts";

/** What the module keeps in memory: offsets from an address that is a multiple of 16. */
export const SCRATCH = {
  /** The key. */
  key: 0,
  /** Four blocks of key stream; of the first four, block 0 is Poly1305's key. */
  stream: 32,
  /** A last, short block of the message, then the lengths. */
  padding: 32 + chacha20.GROUP_BYTES,
  /** Poly1305's key. */
  polyKey: 64 + chacha20.GROUP_BYTES,
  bytes: 96 + chacha20.GROUP_BYTES,
} as const;

/** Name and shape of the function. */
export const EXPORT = "crypt";
/**
 * `opening` is 0 to seal and 1 to open; `to` and `from` are the same address or ranges that do not
 * overlap; `length` is of the text, without the tag of 16 bytes behind the sealed one; the nonce is
 * 4 zeros, `low` and `high`. The result is 0 where the tag is wrong.
 */
export type Crypt = (
  opening: 0 | 1,
  to: number,
  from: number,
  length: number,
  low: number,
  high: number,
) => number;

const PARAMS = 6;

/** Adds the key stream, from `stream` on, to `count` bytes. */
function xorStream(
  to: Local,
  from: Local,
  stream: Local,
  count: Local,
  at: Local,
): Code {
  const there = (base: Local): Code => i32.add(base.get, at.get);
  const step = (bytes: number): Code => at.set(i32.add(at.get, i32.const(bytes)));
  return [
    at.set(i32.const(0)),
    whileDo(i32.leU(i32.add(at.get, i32.const(16)), count.get), [
      v128.store(there(to), v128.xor(v128.load(there(from)), v128.load(there(stream)))),
      step(16),
    ]),
    whileDo(i32.ltU(at.get, count.get), [
      i32.store8(there(to), i32.xor(i32.load8(there(from)), i32.load8(there(stream)))),
      step(1),
    ]),
  ];
}

/** The module, for a scratch area at that address. */
export function aeadModule(scratch: number): Uint8Array<ArrayBuffer> {
  const locals = new Locals();
  const [opening, to, from, length, low, high] = locals.row(TYPE.i32, PARAMS) as [
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
  ];
  const words = locals.row(TYPE.v128, 16);
  const temporary = locals.row(TYPE.v128, 4);
  const turned = temporary[0]!;
  const chacha = { words, turned };
  const poly = polyLocals(locals);
  /** Block number, bytes left, bytes of this turn, where its key stream is, where sums have come to. */
  const [counter, left, count, stream, summed, rounds, at, end] = locals.row(TYPE.i32, 8) as [
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
  ];
  const key = i32.const(scratch + SCRATCH.key);
  const streamAt = i32.const(scratch + SCRATCH.stream);
  const polyKey = i32.const(scratch + SCRATCH.polyKey);
  const padding = scratch + SCRATCH.padding;

  const begin = chacha20.begin(chacha, key, counter.get, low.get, high.get);
  const finish = chacha20.finish(
    chacha,
    temporary,
    key,
    counter.get,
    low.get,
    high.get,
    streamAt,
  );
  const countDown: Code = rounds.tee(i32.sub(rounds.get, i32.const(1)));

  const firstGroup: Code = [
    counter.set(i32.const(0)),
    begin,
    rounds.set(i32.const(chacha20.DOUBLE_ROUNDS)),
    loopWhile(chacha20.doubleRound(chacha), countDown),
    finish,
    v128.store(polyKey, v128.load(streamAt)),
    v128.store(polyKey, v128.load(streamAt, 16), 16),
    beginPoly(poly, polyKey),
  ];

  // After each round a block is added up, while there is any: 16 of them are done after eight
  // double rounds. A processor looks ahead by less than a double round, so they are in between.
  const mixed: readonly Code[] = [
    polyBlock(poly, summed.get),
    [
      polyBlock(poly, summed.get, POLY_BLOCK_BYTES),
      summed.set(i32.add(summed.get, i32.const(2 * POLY_BLOCK_BYTES))),
    ],
  ];
  const mixedGroup: Code = [
    chacha20.nextGroup(counter),
    begin,
    rounds.set(i32.const(chacha20.DOUBLE_ROUNDS)),
    loopWhile(
      when(
        i32.ltU(summed.get, end.get),
        chacha20.doubleRound(chacha, mixed),
        chacha20.doubleRound(chacha),
      ),
      countDown,
    ),
  ];

  const xor = xorStream(to, from, stream, count, at);
  const isOpening: Code = opening.get;
  const isSealing: Code = i32.eqz(opening.get);
  /** The sealed text of this turn. */
  const sealed = choose(from.get, to.get, isOpening);

  const body: Code = [
    firstGroup,
    left.set(length.get),
    stream.set(i32.const(scratch + SCRATCH.stream + chacha20.BLOCK_BYTES)),
    count.set(i32.const(chacha20.GROUP_BYTES - chacha20.BLOCK_BYTES)),
    whileDo(i32.gtU(left.get, count.get), [
      when(isSealing, xor),
      summed.set(sealed),
      end.set(i32.add(summed.get, count.get)),
      mixedGroup,
      when(isOpening, xor),
      finish,
      to.set(i32.add(to.get, count.get)),
      from.set(i32.add(from.get, count.get)),
      left.set(i32.sub(left.get, count.get)),
      stream.set(streamAt),
      count.set(i32.const(chacha20.GROUP_BYTES)),
    ]),
    // The last turn: all blocks that are whole, then what is left of one, then the lengths.
    count.set(left.get),
    when(isSealing, xor),
    summed.set(sealed),
    end.set(i32.add(summed.get, i32.and(count.get, i32.const(-POLY_BLOCK_BYTES)))),
    when(i32.ltU(summed.get, end.get), polyBlocks(poly, summed, end.get)),
    v128.store(i32.const(padding), v128.const([0, 0, 0, 0])),
    at.set(i32.const(padding)),
    end.set(i32.add(sealed, count.get)),
    when(i32.ltU(summed.get, end.get), [
      loopWhile([
        i32.store8(at.get, i32.load8(summed.get)),
        at.set(i32.add(at.get, i32.const(1))),
        summed.set(i32.add(summed.get, i32.const(1))),
      ], i32.ltU(summed.get, end.get)),
      polyBlock(poly, i32.const(padding)),
    ]),
    i64.store(i32.const(padding), i64.const(0)),
    i64.store(i32.const(padding), i64.ofU32(length.get), 8),
    polyBlock(poly, i32.const(padding)),
    finishPoly(poly, polyKey),
    when(isOpening, xor),
    when(isSealing, [
      i64.store(i32.add(to.get, count.get), poly.d[0]!.get),
      i64.store(i32.add(to.get, count.get), poly.d[1]!.get, 8),
    ]),
    // Whether no bit of the tags differs; when sealing, the one behind the text has just been written.
    i64.eqz(i64.or(
      i64.xor(poly.d[0]!.get, i64.load(end.get)),
      i64.xor(poly.d[1]!.get, i64.load(end.get, 8)),
    )),
  ];
  return moduleOf(EXPORT, PARAMS, TYPE.i32, locals, body);
}

/**
 * ChaCha20 (RFC 8439, section 2.3) as WebAssembly: four blocks at a time, word w
 * of all four in vector w. Pure.
 */

import { type Code, i32, type Local, v128 } from "./emit.ts";

/** Bytes of a block, and of the four that are made at a time. */
export const BLOCK_BYTES = 64;
export const GROUP_BYTES: number = 4 * BLOCK_BYTES;

/** Double rounds. */
export const DOUBLE_ROUNDS = 10;

/** "expand 32-byte k". */
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];

/** Byte numbers that turn each word by half. */
const ROTATE_16 = [2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13];

/** The variables that hold the sixteen words, and one to rotate with. */
export interface ChaCha {
  readonly words: readonly Local[];
  readonly turned: Local;
}

function rotate({ turned }: ChaCha, word: Local, other: Local, bits: number): Code {
  const mixed = v128.xor(word.get, other.get);
  if (bits === 16) return word.set(v128.shuffle(turned.tee(mixed), turned.get, ROTATE_16));
  return word.set(
    v128.or(v128.shl(turned.tee(mixed), bits), v128.shrU(turned.get, 32 - bits)),
  );
}

/** Four quarter rounds step by step side by side, so that none waits for another. */
function quarterRounds(chacha: ChaCha, quarters: readonly (readonly number[])[]): Code {
  const all = (step: (a: Local, b: Local, c: Local, d: Local) => Code): Code =>
    quarters.map((numbers) => {
      const [a, b, c, d] = numbers.map((n) => chacha.words[n]!);
      return step(a!, b!, c!, d!);
    });
  const half = (bitsD: number, bitsB: number): Code => [
    all((a, b) => a.set(v128.add(a.get, b.get))),
    all((a, _b, _c, d) => rotate(chacha, d, a, bitsD)),
    all((_a, _b, c, d) => c.set(v128.add(c.get, d.get))),
    all((_a, b, c) => rotate(chacha, b, c, bitsB)),
  ];
  return [half(16, 12), half(8, 7)];
}

/** A round on the columns and one on the diagonals, with other code after each. */
export const doubleRound = (chacha: ChaCha, mixed: readonly Code[] = []): Code => [
  quarterRounds(chacha, [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]]),
  mixed[0] ?? [],
  quarterRounds(chacha, [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]]),
  mixed[1] ?? [],
];

/** What word w is before the rounds: constants, key, block numbers from `counter` on, nonce. */
function initial(w: number, key: Code, counter: Code, low: Code, high: Code): Code {
  if (w < 4) return v128.const(Array(4).fill(CONSTANTS[w]));
  if (w < 12) return v128.loadSplat(key, 4 * (w - 4));
  if (w === 12) return v128.add(v128.splat(counter), v128.const([0, 1, 2, 3]));
  if (w === 13) return v128.const([0, 0, 0, 0]); // WireGuard's nonce: 32 zeros, then the counter
  return v128.splat(w === 14 ? low : high);
}

/** Sets the words before the rounds. `key` is the address of 32 bytes. */
export const begin = (
  { words }: ChaCha,
  key: Code,
  counter: Code,
  low: Code,
  high: Code,
): Code => words.map((word, w) => word.set(initial(w, key, counter, low, high)));

/** Words a and b of blocks 0 and 1 (or 2 and 3) side by side, by numbers of 32-bit words. */
const WORDS = (numbers: readonly number[]): number[] =>
  numbers.flatMap((n) => [4 * n, 4 * n + 1, 4 * n + 2, 4 * n + 3]);

/** After the rounds: adds what was before them and writes the four blocks to `out`. */
export function finish(
  { words }: ChaCha,
  temporary: readonly Local[],
  key: Code,
  counter: Code,
  low: Code,
  high: Code,
  out: Code,
): Code {
  const added = words.map((word, w) =>
    word.set(v128.add(word.get, initial(w, key, counter, low, high)))
  );
  // Four words of four blocks are a matrix: transposed, each row belongs to one block.
  const transposed = [0, 4, 8, 12].map((w) => {
    const [a, b, c, d] = words.slice(w, w + 4);
    const [abLow, abHigh, cdLow, cdHigh] = temporary;
    const pair = (x: Local, y: Local, numbers: readonly number[]) =>
      v128.shuffle(x.get, y.get, WORDS(numbers));
    const put = (block: number, row: Code) => v128.store(out, row, BLOCK_BYTES * block + 4 * w);
    return [
      abLow!.set(pair(a!, b!, [0, 4, 1, 5])),
      cdLow!.set(pair(c!, d!, [0, 4, 1, 5])),
      abHigh!.set(pair(a!, b!, [2, 6, 3, 7])),
      cdHigh!.set(pair(c!, d!, [2, 6, 3, 7])),
      put(0, pair(abLow!, cdLow!, [0, 1, 4, 5])),
      put(1, pair(abLow!, cdLow!, [2, 3, 6, 7])),
      put(2, pair(abHigh!, cdHigh!, [0, 1, 4, 5])),
      put(3, pair(abHigh!, cdHigh!, [2, 3, 6, 7])),
    ];
  });
  return [added, transposed];
}

/** Four blocks further. */
export const nextGroup = (counter: Local): Code => counter.set(i32.add(counter.get, i32.const(4)));

/**
 * Memory whose contents `checksum.ts` sums with SIMD instructions, which only
 * WebAssembly has, on memory of its own: so the packets are kept there from the
 * start. Where there is no WebAssembly SIMD (x86_64 before SSE4.1) or no room,
 * it is plain memory, and the sums are TypeScript's. Pure.
 */

/** A byte range of an arena; offsets in `bytes` and `view` count from the memory's start. */
export interface Arena {
  /** The whole memory. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same. */
  readonly view: DataView<ArrayBuffer>;
  /** Where the range starts: a multiple of 64. */
  readonly start: number;
}

/** Bytes that one turn of `sum` takes. */
export const SIMD_TURN_BYTES = 32;

/**
 * Pages (of 64 KiB) of a thread: what a lane's two bursts take, of 64 slots and 1 MiB of headers,
 * what it has sealed and not sent yet, what it opens to, and one for what other modules keep here.
 * The kernel gives memory to those that are used.
 */
const PAGES = 146 + 65 + 8 + 3;

/**
 * The module, instruction by instruction (WebAssembly core specification, chapter 5):
 * `sum(at, end)` adds up the 16-bit words, little-endian, of SIMD_TURN_BYTES at a
 * time, until `at` has reached `end`: at least once. Exact for up to 512 KiB.
 */
// deno-fmt-ignore
const MODULE = Uint8Array.of(
  0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, // magic, version
  1, 7, 1, 0x60, 2, 0x7f, 0x7f, 1, 0x7f, // types: (i32, i32) -> i32
  2, 12, 1, 0, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 0, 1, // import "" "memory", 1 page or more
  3, 2, 1, 0, // functions: one, of type 0
  7, 7, 1, 3, 0x73, 0x75, 0x6d, 0, 0, // exports: "sum"
  10, 89, 1, 87, // code: one body
  1, 2, 0x7b, // locals: v128 a (2), b (3)
  0x03, 0x40, // loop
  0x20, 2, 0x20, 0, 0xfd, 0x00, 0, 0, // a, v128.load at
  0xfd, 0x7f, 0xfd, 0xae, 0x01, 0x21, 2, // i32x4.extadd_pairwise_i16x8_u, i32x4.add, into a
  0x20, 3, 0x20, 0, 0xfd, 0x00, 0, 16, // b, v128.load at + 16
  0xfd, 0x7f, 0xfd, 0xae, 0x01, 0x21, 3, // the same, into b
  0x20, 0, 0x41, 32, 0x6a, 0x22, 0, // at += 32
  0x20, 1, 0x49, 0x0d, 0, 0x0b, // again while at < end (unsigned)
  0x20, 2, 0x20, 3, 0xfd, 0xae, 0x01, 0x21, 2, // a += b
  0x20, 2, 0xfd, 0x7f, 0x21, 2, // fold: four sums of 17 bits
  0x20, 2, 0xfd, 0x1b, 0, 0x20, 2, 0xfd, 0x1b, 1, 0x6a, // a[0] + a[1]
  0x20, 2, 0xfd, 0x1b, 2, 0x20, 2, 0xfd, 0x1b, 3, 0x6a, // a[2] + a[3]
  0x6a, 0x0b, // all four
);

/** This thread's memory, its sum if it has one, and how much of it has been given out. */
interface ThreadMemory {
  readonly memory: WebAssembly.Memory | undefined;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  readonly sum: ((at: number, end: number) => number) | undefined;
  used: number;
}

let opened: ThreadMemory | undefined;

function open(): ThreadMemory {
  try {
    // It never grows: growing would take the buffer away from under every view.
    const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
    const module = new WebAssembly.Module(MODULE);
    const { exports } = new WebAssembly.Instance(module, { "": { memory } });
    const buffer = memory.buffer as ArrayBuffer; // It is not a shared memory.
    const bytes = new Uint8Array(buffer);
    const view = new DataView(buffer);
    return { memory, bytes, view, sum: exports["sum"] as ThreadMemory["sum"], used: 0 };
  } catch {
    // No SIMD, or no address space: V8 reserves gigabytes of it.
    const { bytes, view } = plainArena(PAGES * 64 * 1024);
    return { memory: undefined, bytes, view, sum: undefined, used: 0 };
  }
}

/**
 * An arena in this thread's memory for as long as that has room, else in memory of its own. All
 * that a lane seals and opens is in the first.
 */
export function simdArena(size_bytes: number): Arena {
  opened ??= open();
  if (opened.used + size_bytes > opened.bytes.length) return plainArena(size_bytes);
  const start = opened.used;
  opened.used = (start + size_bytes + 63) & ~63;
  return { bytes: opened.bytes, view: opened.view, start };
}

/** This thread's SIMD memory, for other modules that work on its arenas; undefined: there is none. */
export function simdMemory(): WebAssembly.Memory | undefined {
  opened ??= open();
  return opened.memory;
}

/** An arena in memory of its own. */
export function plainArena(size_bytes: number): Arena {
  const bytes = new Uint8Array(size_bytes);
  return { bytes, view: new DataView(bytes.buffer), start: 0 };
}

/** Whether `simdSum` may be asked about a view. */
export function isSimd(view: DataView): boolean {
  return opened?.sum !== undefined && view === opened.view;
}

/**
 * The sum of the little-endian 16-bit words from `at` on and before `end` in the
 * SIMD memory, below 2^20; modulo 65,535 it is their one's complement sum. The
 * length is a multiple of SIMD_TURN_BYTES, from one of them to 512 KiB.
 */
export function simdSum(at: number, end: number): number {
  return opened!.sum!(at, end);
}

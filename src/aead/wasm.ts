/** ChaCha20-Poly1305 by WebAssembly with SIMD, on this thread's SIMD memory. Pure. */

import { type Arena, simdArena, simdMemory } from "../net/simd.ts";
import type { Aead, Opener, Sealer } from "./aead.ts";
import { aeadModule, type Crypt, EXPORT, SCRATCH } from "./wasm/module.ts";

const KEY_WORDS = 8;

/**
 * By WebAssembly, for offsets that count from the start of the SIMD memory. Undefined where there
 * is no SIMD, no room in its memory, or where `arena` does not lie in it.
 */
export function wasmAead(arena: Arena): Aead | undefined {
  const memory = simdMemory();
  if (!memory || arena.bytes.buffer !== memory.buffer) return undefined;
  const scratch = simdArena(SCRATCH.bytes);
  if (scratch.bytes.buffer !== memory.buffer) return undefined;
  const module = new WebAssembly.Module(aeadModule(scratch.start));
  const { exports } = new WebAssembly.Instance(module, { "": { memory } });
  const crypt = exports[EXPORT] as Crypt;
  const keyAt = new Uint32Array(memory.buffer, scratch.start + SCRATCH.key, KEY_WORDS);
  /** Whose key is there. */
  let loaded: Uint32Array | undefined;

  const load = (key: Uint32Array): void => {
    if (loaded === key) return;
    for (let i = 0; i < KEY_WORDS; i++) keyAt[i] = key[i]!;
    loaded = key;
  };

  const direction = (bytes: Uint8Array): Sealer & Opener => {
    const key = new Uint32Array(bytes.slice().buffer);
    return {
      seal(to, from, length, low, high) {
        load(key);
        crypt(0, to, from, length, low, high);
      },
      open(to, from, length, low, high) {
        load(key);
        return crypt(1, to, from, length, low, high) !== 0;
      },
      erase() {
        key.fill(0);
        if (loaded !== key) return;
        scratch.bytes.fill(0, scratch.start, scratch.start + SCRATCH.bytes);
        loaded = undefined;
      },
    };
  };
  return { name: "wasm", sealer: direction, opener: direction };
}

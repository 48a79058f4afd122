/** Which way of ChaCha20-Poly1305 a lane uses: what is here and passes its self-test. */

import { LIBCRYPTO_MIN_BYTES } from "../base/limits.ts";
import type { Arena } from "../net/simd.ts";
import type { Aead } from "./aead.ts";
import { libcryptoAead } from "./libcrypto.ts";
import { nobleAead } from "./noble.ts";
import { selfTest } from "./self_test.ts";
import { wasmAead } from "./wasm.ts";

/** What was chosen. */
export interface AeadChoice {
  readonly aead: Aead;
  /** What is here and fails its self-test, for the log: name and reason. */
  readonly failed: readonly string[];
}

/** Long packets by one, short ones by the other. */
export function byLength(short: Aead, long: Aead, min_bytes = LIBCRYPTO_MIN_BYTES): Aead {
  return {
    name: `${short.name} and ${long.name}`,
    sealer(key) {
      const [few, many] = [short.sealer(key), long.sealer(key)];
      return {
        seal(to, from, length, low, high) {
          if (length < min_bytes) few.seal(to, from, length, low, high);
          else many.seal(to, from, length, low, high);
        },
        erase() {
          few.erase();
          many.erase();
        },
      };
    },
    opener(key) {
      const [few, many] = [short.opener(key), long.opener(key)];
      return {
        open(to, from, length, low, high) {
          return length < min_bytes
            ? few.open(to, from, length, low, high)
            : many.open(to, from, length, low, high);
        },
        erase() {
          few.erase();
          many.erase();
        },
      };
    },
  };
}

/**
 * Chooses for a lane whose arenas lie in the memory of `arena`, SELF_TEST_BYTES of which are
 * overwritten. Throws where not even TypeScript passes its self-test.
 */
export function chooseAead(
  arena: Arena,
  use: { readonly libcrypto: boolean } = { libcrypto: true },
): AeadChoice {
  const failed: string[] = [];
  const tested = (make: () => Aead | undefined): Aead | undefined => {
    const aead = make();
    const problem = aead && selfTest(aead, arena);
    if (problem !== undefined) failed.push(`${aead!.name}: ${problem}`);
    return problem === undefined ? aead : undefined;
  };
  const inside = tested(() => wasmAead(arena)) ?? tested(() => nobleAead(arena.bytes));
  if (!inside) throw new Error(`no ChaCha20-Poly1305 works here: ${failed.join("; ")}`);
  const outside = use.libcrypto ? tested(() => libcryptoAead(arena.bytes)) : undefined;
  return { aead: outside ? byLength(inside, outside) : inside, failed };
}

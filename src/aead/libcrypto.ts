/** ChaCha20-Poly1305 by the host's libcrypto, where it has one. */

import {
  EVP_CTRL_AEAD_GET_TAG,
  EVP_CTRL_AEAD_SET_TAG,
  type Libcrypto,
  libcrypto,
  OSSL_CIPHER_PARAM_AEAD_TAG,
  OSSL_PARAM,
  OSSL_PARAM_OCTET_STRING,
} from "../../ffi/libcrypto.ts";
import { addressOf, pointerTo, putAddress } from "../../ffi/libc.ts";
import { type Aead, AEAD_TAG_BYTES, type Opener, type Sealer } from "./aead.ts";

/**
 * Pointers that are kept, as a power of two: one takes 46 ns and an allocation to make, and the
 * same offsets come again and again: three for each of 64 times 47 segments.
 */
const POINTER_BITS = 15;
const POINTERS = 1 << POINTER_BITS;
/** Places that are looked at before another pointer gives way. */
const PROBES = 8;

/** Pointers into one memory, by offset: a hash table with linear probing that forgets when it is full. */
class Pointers {
  readonly #base: Deno.PointerObject;
  readonly #offsets = new Int32Array(POINTERS).fill(-1);
  readonly #pointers: Deno.PointerObject[];

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#base = pointerTo(bytes);
    this.#pointers = Array(POINTERS).fill(this.#base);
  }

  at(offset: number): Deno.PointerObject {
    const offsets = this.#offsets;
    const home = Math.imul(offset, 0x9e3779b1) >>> (32 - POINTER_BITS); // 2^32 by the golden ratio
    let place = home;
    for (let probe = 1; offsets[place] !== offset; probe++) {
      if (offsets[place] === -1 || probe === PROBES) {
        offsets[place] = offset;
        return this.#pointers[place] = Deno.UnsafePointer.offset(this.#base, offset)!;
      }
      place = (place + 1) & (POINTERS - 1);
    }
    return this.#pointers[place]!;
  }
}

/** Takes a tag out of a context, or puts it in; `offset` is where it is to be or is. 1: done. */
interface Tags {
  get(ctx: Deno.PointerObject, offset: number): number;
  set(ctx: Deno.PointerObject, offset: number): number;
}

/** As 1.1 knows it. */
function tagsByControl({ call }: Libcrypto, pointers: Pointers): Tags {
  const by = (type: number) => (ctx: Deno.PointerObject, offset: number) =>
    call.EVP_CIPHER_CTX_ctrl(ctx, type, AEAD_TAG_BYTES, pointers.at(offset));
  return { get: by(EVP_CTRL_AEAD_GET_TAG), set: by(EVP_CTRL_AEAD_SET_TAG) };
}

/** What the other way comes to in version 3, without the detour: 60 ns instead of 200. */
function tagsByParams(call: NonNullable<Libcrypto["call3"]>, memory: number): Tags {
  const name = new TextEncoder().encode(`${OSSL_CIPHER_PARAM_AEAD_TAG}\0`);
  const params_bytes = 4 * 2 * OSSL_PARAM.words;
  // The name behind the array, so that it lives as long as what points to it.
  const bytes = new Uint8Array(params_bytes + name.length);
  bytes.set(name, params_bytes);
  const params = new Uint32Array(bytes.buffer, 0, 2 * OSSL_PARAM.words);
  const paramsAt = pointerTo(bytes);
  putAddress(params, OSSL_PARAM.key, addressOf(bytes) + params_bytes);
  params[OSSL_PARAM.type] = OSSL_PARAM_OCTET_STRING;
  params[OSSL_PARAM.size] = AEAD_TAG_BYTES;
  return {
    get(ctx, offset) {
      putAddress(params, OSSL_PARAM.data, memory + offset);
      return call.EVP_CIPHER_CTX_get_params(ctx, paramsAt);
    },
    set(ctx, offset) {
      putAddress(params, OSSL_PARAM.data, memory + offset);
      return call.EVP_CIPHER_CTX_set_params(ctx, paramsAt);
    },
  };
}

/** `bytes` is the whole memory that offsets count from; it is kept. Undefined: no libcrypto here. */
export function libcryptoAead(
  bytes: Uint8Array<ArrayBuffer>,
  library: Libcrypto | undefined = libcrypto(),
): Aead | undefined {
  return library && aeadOf(library, bytes);
}

function aeadOf(library: Libcrypto, bytes: Uint8Array<ArrayBuffer>): Aead {
  const { call, call3, version } = library;
  const pointers = new Pointers(bytes);
  const tags = call3 ? tagsByParams(call3, addressOf(bytes)) : tagsByControl(library, pointers);
  const nonce = new Uint32Array(3);
  const nonceAt = pointerTo(new Uint8Array(nonce.buffer));
  const written = new Uint8Array(4);
  const writtenAt = pointerTo(written);
  const cipher = call.EVP_chacha20_poly1305();

  const check = (name: string, result: number): void => {
    if (result !== 1) throw new Error(`libcrypto: ${name} has failed`);
  };

  /** A context by a key; afterwards only the nonce changes. */
  const context = (
    name: "EVP_EncryptInit_ex" | "EVP_DecryptInit_ex",
    key: Uint8Array,
  ): Deno.PointerObject => {
    const made = call.EVP_CIPHER_CTX_new();
    if (!made) throw new Error("libcrypto: no memory");
    const copy = Uint8Array.from(key);
    check(name, call[name](made, cipher, null, pointerTo(copy), nonceAt));
    copy.fill(0);
    return made;
  };

  return {
    name: `libcrypto ${version}`,
    sealer(key): Sealer {
      const ctx = context("EVP_EncryptInit_ex", key);
      return {
        seal(to, from, length, low, high) {
          nonce[1] = low;
          nonce[2] = high;
          check("init", call.EVP_EncryptInit_ex(ctx, null, null, null, nonceAt));
          if (length > 0) {
            const [out, text] = [pointers.at(to), pointers.at(from)];
            check("update", call.EVP_EncryptUpdate(ctx, out, writtenAt, text, length));
          }
          // No block is left over: nothing is written.
          check("final", call.EVP_EncryptFinal_ex(ctx, writtenAt, writtenAt));
          check("tag", tags.get(ctx, to + length));
        },
        erase: () => call.EVP_CIPHER_CTX_free(ctx),
      };
    },
    opener(key): Opener {
      const ctx = context("EVP_DecryptInit_ex", key);
      return {
        open(to, from, length, low, high) {
          nonce[1] = low;
          nonce[2] = high;
          check("init", call.EVP_DecryptInit_ex(ctx, null, null, null, nonceAt));
          check("tag", tags.set(ctx, from + length));
          if (length > 0) {
            const [out, sealed] = [pointers.at(to), pointers.at(from)];
            check("update", call.EVP_DecryptUpdate(ctx, out, writtenAt, sealed, length));
          }
          return call.EVP_DecryptFinal_ex(ctx, writtenAt, writtenAt) === 1;
        },
        erase: () => call.EVP_CIPHER_CTX_free(ctx),
      };
    },
  };
}

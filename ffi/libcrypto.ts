/**
 * OpenSSL's libcrypto, where the host has it: what ChaCha20-Poly1305 needs of it
 * (manual pages EVP_EncryptInit(3) and OpenSSL_version(3)), the same functions in
 * 1.1 and in 3.
 */

const UPDATE = {
  parameters: [
    "pointer", // EVP_CIPHER_CTX *ctx
    "pointer", // unsigned char *out
    "pointer", // int *outl
    "pointer", // const unsigned char *in
    "i32", // int inl
  ],
  result: "i32", // int
} as const;

const INIT = {
  parameters: [
    "pointer", // EVP_CIPHER_CTX *ctx
    "pointer", // const EVP_CIPHER *type
    "pointer", // ENGINE *impl
    "pointer", // const unsigned char *key
    "pointer", // const unsigned char *iv
  ],
  result: "i32", // int
} as const;

const FINAL = {
  parameters: [
    "pointer", // EVP_CIPHER_CTX *ctx
    "pointer", // unsigned char *out
    "pointer", // int *outl
  ],
  result: "i32", // int
} as const;

/** The functions, as data. */
export const LIBCRYPTO = {
  OpenSSL_version: {
    parameters: ["i32"], // int type
    result: "pointer", // const char *
  },
  EVP_chacha20_poly1305: {
    parameters: [],
    result: "pointer", // const EVP_CIPHER *
  },
  EVP_CIPHER_CTX_new: {
    parameters: [],
    result: "pointer", // EVP_CIPHER_CTX *
  },
  EVP_CIPHER_CTX_free: {
    parameters: ["pointer"], // EVP_CIPHER_CTX *ctx
    result: "void",
  },
  EVP_CIPHER_CTX_ctrl: {
    parameters: [
      "pointer", // EVP_CIPHER_CTX *ctx
      "i32", // int type
      "i32", // int arg
      "pointer", // void *ptr
    ],
    result: "i32", // int
  },
  EVP_EncryptInit_ex: INIT,
  EVP_DecryptInit_ex: INIT,
  EVP_EncryptUpdate: UPDATE,
  EVP_DecryptUpdate: UPDATE,
  EVP_EncryptFinal_ex: FINAL,
  EVP_DecryptFinal_ex: FINAL,
} as const satisfies Deno.ForeignLibraryInterface;

const PARAMS = {
  parameters: [
    "pointer", // EVP_CIPHER_CTX *ctx
    "pointer", // OSSL_PARAM params[]
  ],
  result: "i32", // int
} as const;

/** What version 3 has besides (EVP_EncryptInit(3)): a third of what EVP_CIPHER_CTX_ctrl takes. */
const LIBCRYPTO_3 = {
  EVP_CIPHER_CTX_get_params: PARAMS,
  EVP_CIPHER_CTX_set_params: PARAMS,
} as const satisfies Deno.ForeignLibraryInterface;

/** OSSL_PARAM(3), as words of 32 bits; an entry without key ends an array of them. */
export const OSSL_PARAM = { key: 0, type: 2, data: 4, size: 6, words: 10 } as const;
/** Its data_type of bytes. */
export const OSSL_PARAM_OCTET_STRING = 5;
/** The name of an AEAD's tag (openssl/core_names.h). */
export const OSSL_CIPHER_PARAM_AEAD_TAG = "tag";

/** EVP_CIPHER_CTX_ctrl's types (openssl/evp.h). */
export const EVP_CTRL_AEAD_GET_TAG = 0x10;
export const EVP_CTRL_AEAD_SET_TAG = 0x11;

/** Names of the library, the best first. */
const NAMES = ["libcrypto.so.3", "libcrypto.so.1.1"];

/** The library as it was opened. */
export interface Libcrypto {
  readonly call: Deno.DynamicLibrary<typeof LIBCRYPTO>["symbols"];
  /** Not in 1.1. */
  readonly call3: Deno.DynamicLibrary<typeof LIBCRYPTO_3>["symbols"] | undefined;
  /** Such as `3.0.19`. */
  readonly version: string;
}

let opened: Libcrypto | undefined;
let tried = false;

function open(): Libcrypto | undefined {
  for (const name of NAMES) {
    try {
      const { symbols: call } = Deno.dlopen(name, LIBCRYPTO);
      const text = call.OpenSSL_version(0);
      const words = text ? new Deno.UnsafePointerView(text).getCString().split(" ") : [];
      return { call, call3: open3(name), version: words[1] ?? name };
    } catch {
      continue; // Not there, or without one of the functions.
    }
  }
  return undefined;
}

function open3(name: string): Libcrypto["call3"] {
  try {
    return Deno.dlopen(name, LIBCRYPTO_3).symbols;
  } catch {
    return undefined;
  }
}

/** libcrypto for this thread; undefined where the host has none that fits. */
export function libcrypto(): Libcrypto | undefined {
  if (!tried) opened = open();
  tried = true;
  return opened;
}

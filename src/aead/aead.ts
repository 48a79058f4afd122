/**
 * ChaCha20-Poly1305 (RFC 8439) as WireGuard's data messages use it: no additional
 * data, a nonce of 32 zeros and a 64-bit counter in two words of 32 bits, signed
 * or not. All work on one memory, a lane's arenas, by offset; nothing is allocated
 * per packet. Pure.
 */

/** Bytes of the tag behind a sealed text. */
export const AEAD_TAG_BYTES = 16;

/** One direction of one session: seals. */
export interface Sealer {
  /**
   * Seals `length` bytes (0 to 65,535) from `from` on to `to`, the tag behind them. Both are the
   * same offset, or their ranges do not overlap. A counter is used once.
   */
  seal(to: number, from: number, length: number, low: number, high: number): void;
  /** Forgets the key; the sealer is not used any more. */
  erase(): void;
}

/** One direction of one session: opens. */
export interface Opener {
  /**
   * Opens `length` bytes (0 to 65,535) from `from` on, with the tag behind them, to `to`. Both are
   * the same offset, or their ranges do not overlap. False where the tag is wrong: then nothing
   * that is at `to` means anything.
   */
  open(to: number, from: number, length: number, low: number, high: number): boolean;
  /** Forgets the key; the opener is not used any more. */
  erase(): void;
}

/** A way to do it. */
export interface Aead {
  /** For the user: `wasm`, `libcrypto 3.0.19`. */
  readonly name: string;
  /** A sealer by a key of 32 bytes, which is copied. */
  sealer(key: Uint8Array): Sealer;
  /** An opener by a key of 32 bytes, which is copied. */
  opener(key: Uint8Array): Opener;
}

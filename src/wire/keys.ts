/** WireGuard's keys: 32 bytes, written as base64 like `wg genkey` does. Pure. */

/** Bytes of a private, public or preshared key. */
export const KEY_BYTES = 32;

/** The 44 characters of 32 bytes in base64: the last digit before `=` carries four bits. */
const KEY_TEXT = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

/** The 32 bytes of a key in base64, or undefined where the text is no key. */
export function parseKey(text: string): Uint8Array<ArrayBuffer> | undefined {
  return KEY_TEXT.test(text) ? Uint8Array.fromBase64(text) : undefined;
}

/** A key as base64 text. */
export function formatKey(key: Uint8Array): string {
  return key.toBase64();
}

/** A private key of 32 random bytes, clamped in place as `wg genkey` does (RFC 7748, section 5). */
export function clamp(key: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  key[0]! &= 0xf8;
  key[31] = key[31]! & 0x7f | 0x40;
  return key;
}

/** Whether all bytes are zero, in a time that depends on the length alone. */
export function isZero(bytes: Uint8Array): boolean {
  let bits = 0;
  for (const byte of bytes) bits |= byte;
  return bits === 0;
}

/** Whether two byte strings are equal, in a time that depends on the lengths alone. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

/** Overwrites secrets with zeros. Copies that the JavaScript engine made are beyond reach. */
export function erase(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}

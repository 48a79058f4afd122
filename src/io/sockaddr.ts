/** Socket addresses as the kernel takes and gives them: struct sockaddr_in and sockaddr_in6. Pure. */

import {
  AF_INET,
  AF_INET6,
  SOCKADDR,
  SOCKADDR_IN6_BYTES,
  SOCKADDR_IN_BYTES,
} from "../../ffi/socket.ts";

/** Words from one socket address to the next in a table: a sockaddr_in6 rounded up to 32 bytes. */
export const SOCKADDR_WORDS = 8;

/** Where a datagram came from: an underlay address of 4 or 16 bytes, and a port. */
export interface Sender {
  readonly address: Uint8Array;
  readonly port: number;
}

/** The socket address of an IP address of 4 or 16 bytes and a port. */
export function sockaddr(address: Uint8Array, port: number): Uint8Array<ArrayBuffer> {
  const v4 = address.length === 4;
  const name = new Uint8Array(v4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES);
  const view = new DataView(name.buffer);
  view.setUint16(SOCKADDR.family, v4 ? AF_INET : AF_INET6, true);
  view.setUint16(SOCKADDR.port, port);
  name.set(address, v4 ? SOCKADDR.in_addr : SOCKADDR.in6_addr);
  return name;
}

/** Writes a socket address into a table of them, as number `index`. */
export function putSockaddr(
  table: Int32Array<ArrayBuffer>,
  index: number,
  address: Uint8Array,
  port: number,
): void {
  const at = index * SOCKADDR_WORDS;
  table.fill(0, at, at + SOCKADDR_WORDS);
  new Uint8Array(table.buffer, table.byteOffset).set(sockaddr(address, port), 4 * at);
}

/** Address and port of number `index` in a table of socket addresses, copied out. */
export function readSockaddr(table: Int32Array<ArrayBuffer>, index: number): Sender {
  const view = new DataView(
    table.buffer,
    table.byteOffset + 4 * index * SOCKADDR_WORDS,
    4 * SOCKADDR_WORDS,
  );
  const v4 = view.getUint16(SOCKADDR.family, true) === AF_INET;
  const at = v4 ? SOCKADDR.in_addr : SOCKADDR.in6_addr;
  const address = new Uint8Array(v4 ? 4 : 16);
  for (let i = 0; i < address.length; i++) address[i] = view.getUint8(at + i);
  return { address, port: view.getUint16(SOCKADDR.port) };
}

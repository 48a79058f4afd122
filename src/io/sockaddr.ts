/** Socket addresses as the kernel takes them: struct sockaddr_in and sockaddr_in6. */

import {
  AF_INET,
  AF_INET6,
  SOCKADDR,
  SOCKADDR_IN6_BYTES,
  SOCKADDR_IN_BYTES,
} from "../../ffi/socket.ts";

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

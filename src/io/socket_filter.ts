/** Attaches a filter to a socket. */

import { addressOf, libc, putAddress } from "../../ffi/libc.ts";
import {
  MSG_DONTWAIT,
  SO_ATTACH_FILTER,
  SOCK_FILTER,
  SOCK_FPROG,
  SOL_SOCKET,
} from "../../ffi/socket.ts";

/** Datagrams that wait are thrown away up to so many: more come only while somebody floods. */
const DISCARDED_MAX = 100_000;

/**
 * Puts a program of classic BPF (an array of struct sock_filter) in the place of
 * the socket's last one, at once for all that is received from now on. Throws a SyscallError.
 */
export function attachFilter(fd: number, program: Uint8Array<ArrayBuffer>): void {
  const words = new Uint32Array(SOCK_FPROG.size / 4);
  words[SOCK_FPROG.length / 4] = program.length / SOCK_FILTER.size;
  putAddress(words, SOCK_FPROG.filter / 4, addressOf(program));
  const value = new Uint8Array(words.buffer);
  const { call, check } = libc();
  check("SO_ATTACH_FILTER", call.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, value, value.length));
}

/** Throws away what a socket received before it had its filter. */
export function discardWaiting(fd: number): void {
  const { call } = libc();
  const byte = new Uint8Array(1);
  for (let i = 0; i < DISCARDED_MAX && call.recv(fd, byte, byte.length, MSG_DONTWAIT) >= 0; i++);
}

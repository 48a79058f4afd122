/** The kernel's queues before and behind the UDP socket (socket(7)). */

import { libc } from "../../ffi/libc.ts";
import {
  SK_MEMINFO_DROPS,
  SK_MEMINFO_WORDS,
  SO_MEMINFO,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOL_SOCKET,
} from "../../ffi/socket.ts";
import { SOCKET_BUFFER_BYTES } from "../base/limits.ts";

/** What the socket was granted of SOCKET_BUFFER_BYTES. */
export interface Buffers {
  readonly receive_bytes: number;
  readonly send_bytes: number;
}

/** A buffer below this part of what was asked for is worth a warning. */
const WARN_PART = 0.5;

function setInt(fd: number, option: number, value: number): boolean {
  const bytes = new Uint8Array(new Int32Array([value]).buffer);
  return libc().call.setsockopt(fd, SOL_SOCKET, option, bytes, bytes.length) >= 0;
}

/** A value of SOL_SOCKET's in 32-bit words; undefined where the kernel does not know it. */
function getWords(fd: number, option: number, words: number): Uint32Array | undefined {
  const value = new Uint32Array(words);
  const length = new Uint32Array([value.byteLength]);
  const ok = libc().call.getsockopt(
    fd,
    SOL_SOCKET,
    option,
    new Uint8Array(value.buffer),
    new Uint8Array(length.buffer),
  ) >= 0;
  return ok ? value.subarray(0, length[0]! / 4) : undefined;
}

/** Makes room for bursts: beyond net.core.*mem_max only with CAP_NET_ADMIN, else up to there. */
export function enlargeBuffers(fd: number): Buffers {
  const grow = (force: number, option: number) => {
    if (!setInt(fd, force, SOCKET_BUFFER_BYTES)) setInt(fd, option, SOCKET_BUFFER_BYTES);
    // The kernel doubles what it is asked for, and tells the double.
    return (getWords(fd, option, 1)?.[0] ?? 0) / 2;
  };
  return {
    receive_bytes: grow(SO_RCVBUFFORCE, SO_RCVBUF),
    send_bytes: grow(SO_SNDBUFFORCE, SO_SNDBUF),
  };
}

/** What is wrong with buffers that are much smaller than asked for, and how to mend it. */
export function bufferWarnings({ receive_bytes, send_bytes }: Buffers): readonly string[] {
  const asked = SOCKET_BUFFER_BYTES;
  return ([["receive", receive_bytes, "rmem_max"], ["send", send_bytes, "wmem_max"]] as const)
    .filter(([, granted]) => granted < asked * WARN_PART)
    .map(([name, granted, setting]) =>
      `the socket's ${name} buffer has ${Math.round(granted / 1024)} KiB, not ${asked / 1024}: ` +
      `bursts may be dropped; try: sysctl -w net.core.${setting}=${asked}`
    );
}

/**
 * Datagrams that the kernel has dropped since the socket was opened, because its
 * receive buffer was full (or the UDP checksum was wrong); undefined before
 * Linux 4.12. The same count as SO_RXQ_OVFL's, without a control message on
 * every datagram.
 */
export function socketDrops(fd: number): number | undefined {
  return getWords(fd, SO_MEMINFO, SK_MEMINFO_WORDS)?.[SK_MEMINFO_DROPS];
}

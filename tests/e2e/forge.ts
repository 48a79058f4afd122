/**
 * Sends UDP datagrams from an address that is not this host's, by a raw socket:
 * `forge.ts SOURCE PORT TARGET TARGET_PORT [RATE SECONDS]`. Standard input has
 * one datagram a line, in hexadecimal. Each is sent once, or all of them in turn,
 * RATE a second, for SECONDS. Prints how many were sent. IPv4 and IPv6. A line that
 * begins with `-` is sent without a UDP checksum, as the kernel path sends.
 */

import { libc } from "../../ffi/libc.ts";
import { AF_INET, AF_INET6, SOCK_CLOEXEC, SOCK_RAW } from "../../ffi/socket.ts";
import { sockaddr } from "../../src/io/sockaddr.ts";
import { parseAddress } from "../../src/net/prefix.ts";
import { slowChecksum } from "../fakes/packets.ts";

/** A raw socket whose sender writes the IP header (raw(7)). */
const IPPROTO_RAW = 255;
const UDP_PROTOCOL = 17;
/** Datagrams are sent in bursts of this many milliseconds. */
const BURST_MS = 20;

const [sourceText, port, targetText, targetPort, rate, seconds] = Deno.args;
const source = parseAddress(sourceText!)!.bytes;
const target = parseAddress(targetText!)!.bytes;
const v4 = source.length === 4;

const word = (value: number) => [value >> 8, value & 0xff];

function packet(payload: readonly number[], summed: boolean): Uint8Array<ArrayBuffer> {
  const length = 8 + payload.length;
  const ports = [...word(Number(port)), ...word(Number(targetPort)), ...word(length)];
  const pseudo = [...source, ...target, 0, UDP_PROTOCOL, ...word(length)];
  const sum = slowChecksum([...pseudo, ...ports, 0, 0, ...payload]) || 0xffff;
  const udp = [...ports, ...word(summed ? sum : 0), ...payload];
  // The kernel fills in IPv4's checksum.
  const header = v4
    ? [0x45, 0, ...word(20 + length), 0, 0, 0, 0, 64, UDP_PROTOCOL, 0, 0, ...source, ...target]
    : [0x60, 0, 0, 0, ...word(length), UDP_PROTOCOL, 64, ...source, ...target];
  return Uint8Array.from([...header, ...udp]);
}

const lines = (await new Response(Deno.stdin.readable).text()).trim().split("\n");
const packets = lines.map((line) =>
  packet(
    Array.from(line.match(/[0-9a-f]{2}/g) ?? [], (pair) => parseInt(pair, 16)),
    !line.startsWith("-"),
  )
);
const { call, check } = libc();
const fd = check(
  "socket",
  call.socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW),
);
const to = sockaddr(target, 0);
let sent = 0;
const send = (bytes: Uint8Array<ArrayBuffer>) => {
  if (call.sendto(fd, bytes, bytes.length, 0, to, to.length) >= 0) sent++;
};
if (rate === undefined) packets.forEach(send);
else {
  const start_ms = performance.now();
  const end_ms = start_ms + 1000 * Number(seconds);
  for (let tried = 0; performance.now() < end_ms;) {
    const due = (performance.now() - start_ms) * Number(rate) / 1000;
    for (; tried < due; tried++) send(packets[tried % packets.length]!);
    await new Promise((resolve) => setTimeout(resolve, BURST_MS));
  }
}
console.log(sent);
call.close(fd);

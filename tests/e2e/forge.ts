/**
 * Sends UDP datagrams from an address that is not this host's, by a raw socket:
 * `forge.ts SOURCE PORT TARGET TARGET_PORT [RATE SECONDS]`. Standard input has
 * one datagram a line, in hexadecimal. Each is sent once, or all of them in turn,
 * RATE a second, for SECONDS. Prints how many were sent. IPv4 and IPv6. A line that
 * begins with `-` is sent without a UDP checksum, as the kernel path sends.
 */

import { RawUdp } from "./raw_udp.ts";

const [source, port, target, targetPort, rate, seconds] = Deno.args;
const raw = new RawUdp(target!, Number(targetPort));
const lines = (await new Response(Deno.stdin.readable).text()).trim().split("\n");
const packets = lines.map((line) => {
  const payload = Array.from(line.match(/[0-9a-f]{2}/g) ?? [], (pair) => parseInt(pair, 16));
  return raw.packet(source!, Number(port), payload, !line.startsWith("-"));
});
if (rate === undefined) packets.forEach((packet) => raw.send(packet));
else await raw.flood(packets, Number(rate), Number(seconds));
console.log(raw.sent);
raw.close();

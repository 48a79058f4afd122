/**
 * Tells a host that a path of its carries less than it thinks, as anybody on the way or off it can:
 * `forge_icmp.ts SOURCE TARGET PEER PORT MTU`. The message (RFC 792 3/4, RFC 4443 2/0) comes from
 * SOURCE and quotes a datagram of TARGET's to PEER, both with PORT. IPv4 and IPv6.
 */

import { libc } from "../../ffi/libc.ts";
import { AF_INET, AF_INET6, SOCK_CLOEXEC, SOCK_RAW } from "../../ffi/socket.ts";
import { sockaddr } from "../../src/io/sockaddr.ts";
import { parseAddress } from "../../src/net/prefix.ts";
import { slowChecksum } from "../fakes/packets.ts";

/** A raw socket whose sender writes the IP header (raw(7)). */
const IPPROTO_RAW = 255;
const [source, target, peer] = Deno.args.slice(0, 3).map((text) => [...parseAddress(text)!.bytes]);
const [port, mtu_bytes] = Deno.args.slice(3).map(Number);
const v4 = source!.length === 4;

const word = (value: number) => [value >> 8 & 0xff, value & 0xff];

/** A header and what it carries; the kernel fills in IPv4's checksum of what is sent. */
function packet(protocol: number, from: number[], to: number[], payload: number[]): number[] {
  if (!v4) {
    return [0x60, 0, 0, 0, ...word(payload.length), protocol, 64, ...from, ...to, ...payload];
  }
  const header = [0x45, 0, ...word(20 + payload.length), 0, 7, 0x40, 0, 64, protocol];
  const sum = slowChecksum([...header, 0, 0, ...from, ...to]);
  return [...header, ...word(sum), ...from, ...to, ...payload];
}

const udp = [...word(port!), ...word(port!), ...word(1000), 0, 0];
const quoted = packet(17, target!, peer!, [...udp, ...Array(32).fill(0)]);
const [type, code] = v4 ? [3, 4] : [2, 0];
const message = (sum: number) => [type!, code!, ...word(sum), 0, 0, ...word(mtu_bytes!), ...quoted];
const protocol = v4 ? 1 : 58;
const { length } = message(0);
const pseudo = v4 ? [] : [...source!, ...target!, 0, 0, ...word(length), 0, 0, 0, protocol];
const whole = packet(protocol, source!, target!, message(slowChecksum([...pseudo, ...message(0)])));
const { call, check } = libc();
const family = v4 ? AF_INET : AF_INET6;
const fd = check("socket", call.socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
const to = sockaddr(Uint8Array.from(target!), 0);
check("sendto", call.sendto(fd, Uint8Array.from(whole), whole.length, 0, to, to.length));

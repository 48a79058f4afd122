/** IPv4, IPv6 and what they carry: packets and the text that they must give. */

import { assertEquals } from "../../assert.ts";
import { bytesOf, decodeBytes, textOf } from "./packets.ts";

const A4 = "c0a8010a"; // 192.168.1.10
const B4 = "c0a8010c"; // 192.168.1.12
const A6 = "fd000000000000000000000000000001";
const B6 = "fd000000000000000000000000000002";

const PACKETS: readonly (readonly [name: string, hex: string, text: string])[] = [
  [
    "echo request",
    `4500001c 00000000 4001hhhh ${A4}${B4} 0800iiii0007 0001`,
    "IPv4 hdrlen 20 total 28 ttl 64 ICMP echo request id 7 seq 1 192.168.1.10 > 192.168.1.12",
  ],
  [
    "echo reply",
    `4500001c 00000000 4001hhhh ${A4}${B4} 0000iiii0007 0001`,
    "IPv4 hdrlen 20 total 28 ttl 64 ICMP echo reply id 7 seq 1 192.168.1.10 > 192.168.1.12",
  ],
  [
    "a header with options is longer",
    `46000020 00000000 40010001 ${A4}${B4} 94040000 0800iiii0007 0001`,
    "IPv4 hdrlen 24 total 32 ttl 64 ICMP echo request id 7 seq 1 192.168.1.10 > 192.168.1.12 " +
    "[checksum: IPv4 header 0x0001, right is 0x6272]",
  ],
  [
    "TCP SYN with an MSS",
    `4500002c 00004000 4006hhhh ${A4}${B4} 04d20050 0000000a 00000000 6002faf0 tttt0000 020405b4`,
    "IPv4 hdrlen 20 total 44 ttl 64 TCP [SYN] seq 10 win 64240 mss 1460 len 0 " +
    "192.168.1.10:1234 > 192.168.1.12:80",
  ],
  [
    "a wrong TCP checksum",
    `4500002c 00004000 4006hhhh ${A4}${B4} 04d20050 0000000a 00000000 6002faf0 0bad0000 020405b4`,
    "IPv4 hdrlen 20 total 44 ttl 64 TCP [SYN] seq 10 win 64240 mss 1460 len 0 " +
    "192.168.1.10:1234 > 192.168.1.12:80 [checksum: TCP 0x0bad, right is 0x14a3]",
  ],
  [
    "a partial TCP checksum, as offloading leaves it",
    `4500002c 00004000 4006hhhh ${A4}${B4} 04d20050 0000000a 00000000 6002faf0 83850000 020405b4`,
    "IPv4 hdrlen 20 total 44 ttl 64 TCP [SYN] seq 10 win 64240 mss 1460 len 0 " +
    "192.168.1.10:1234 > 192.168.1.12:80 [checksum: TCP partial]",
  ],
  [
    "UDP with an empty payload and no checksum",
    `4500001c 00000000 4011hhhh ${A4}${B4} 04d20035 00080000`,
    "IPv4 hdrlen 20 total 28 ttl 64 UDP len 0 192.168.1.10:1234 > 192.168.1.12:53",
  ],
  [
    "a later fragment is data, whatever its first bytes look like",
    `4500001c 12340003 4011hhhh ${A4}${B4} 04d20035 00080000`,
    "IPv4 hdrlen 20 total 28 ttl 64 fragment id 4660 offset 24 last UDP " +
    "data 8 B 04d2003500080000 192.168.1.10 > 192.168.1.12",
  ],
  [
    "a first fragment shows its ports, and its UDP length is not a lie",
    `4500001c 12342000 4011hhhh ${A4}${B4} 04d20035 01000000`,
    "IPv4 hdrlen 20 total 28 ttl 64 fragment id 4660 offset 0 UDP len 248 " +
    "192.168.1.10:1234 > 192.168.1.12:53",
  ],
  [
    "a fragment beyond the end of what IP can carry",
    `4500001c 12341fff 4011hhhh ${A4}${B4} 04d20035 01000000`,
    "IPv4 hdrlen 20 total 28 ttl 64 fragment id 4660 offset 65528 last UDP " +
    "data 8 B 04d2003501000000 192.168.1.10 > 192.168.1.12 [lying: fragment ends beyond 65535 B]",
  ],
  [
    "an unknown protocol",
    `4500001a 00000000 40fdhhhh ${A4}${B4} 010203040506`,
    "IPv4 hdrlen 20 total 26 ttl 64 protocol 0xfd data 6 B 010203040506 " +
    "192.168.1.10 > 192.168.1.12",
  ],
  [
    "an ICMP type without a name",
    `4500001c 00000000 4001hhhh ${A4}${B4} c803 iiii 00000000`,
    "IPv4 hdrlen 20 total 28 ttl 64 ICMP type 200 code 3 data 4 B 00000000 " +
    "192.168.1.10 > 192.168.1.12",
  ],
  [
    "an error quotes what it is about",
    `45000038 00000000 4001hhhh ${A4}${B4} 0304iiii 00000578` +
    `4500fff0 00000000 40110000 ${B4}${A4} 00350007 ffdc0000`,
    "IPv4 hdrlen 20 total 56 ttl 64 ICMP destination unreachable (fragmentation needed) mtu 1400 " +
    "about UDP 192.168.1.12:53 > 192.168.1.10:7 192.168.1.10 > 192.168.1.12",
  ],
  ["nothing at all", "", "[cut: an empty packet]"],
  ["neither IPv4 nor IPv6", "1500 0203", "data 4 B 15000203 [lying: IP version 1]"],
  [
    "IPv4 cut in its header",
    "4500001c 00000000",
    "data 8 B 4500001c00000000 [cut: IPv4 header of 20 B, only 8 B came]",
  ],
  [
    "a header length below the least (the tutorial's swapped nibbles)",
    `5400001c 00000000`,
    "data 8 B 5400001c00000000 [lying: IP version 5]",
  ],
  [
    "an IPv4 header that says it is shorter than it can be",
    `44000014 00000000 4001hhhh ${A4}${B4}`,
    "IPv4 hdrlen 16 total 20 ttl 64 ICMP 192.168.1.10 > 192.168.1.12 " +
    "[lying: IPv4 header length 16, at least 20]",
  ],
  [
    "a total length beyond what came",
    `45000064 00000000 4001hhhh ${A4}${B4} 0800iiii0007 0001`,
    "IPv4 hdrlen 20 total 100 ttl 64 ICMP echo request id 7 seq 1 192.168.1.10 > 192.168.1.12 " +
    "[cut: total length 100, only 28 B came]",
  ],
  [
    "more came than the total length says",
    `4500001c 00000000 4001hhhh ${A4}${B4} 0800iiii0007 0001 ffff`,
    "IPv4 hdrlen 20 total 28 ttl 64 ICMP echo request id 7 seq 1 192.168.1.10 > 192.168.1.12 " +
    "[lying: total length 28, but 30 B came]",
  ],
  [
    "a TCP header that ends behind the packet",
    `45000028 00000000 4006hhhh ${A4}${B4} 04d20050 0000000a 00000000 f002faf0 tttt0000`,
    "IPv4 hdrlen 20 total 40 ttl 64 TCP [SYN] seq 10 win 64240 len 0 " +
    "192.168.1.10:1234 > 192.168.1.12:80 [lying: TCP header length 60 of 20 B]",
  ],
  [
    "a TCP header cut short",
    `4500001c 00000000 4006hhhh ${A4}${B4} 04d20050 0000000a`,
    "IPv4 hdrlen 20 total 28 ttl 64 TCP data 8 B 04d200500000000a 192.168.1.10 > 192.168.1.12 " +
    "[cut: TCP header of 20 B, only 8 B came]",
  ],
  [
    "a UDP length that lies",
    `4500001c 00000000 4011hhhh ${A4}${B4} 04d20035 00ff0000`,
    "IPv4 hdrlen 20 total 28 ttl 64 UDP len 247 192.168.1.10:1234 > 192.168.1.12:53 " +
    "[lying: UDP length 255 of 8 B]",
  ],
  [
    "IPv6 echo",
    `60000000 00083a40 ${A6}${B6} 8000nnnn 00070001`,
    "IPv6 payload 8 hlim 64 ICMPv6 echo request id 7 seq 1 fd00::1 > fd00::2",
  ],
  [
    "IPv6 with extension headers, one after the other",
    `60000000 00180040 ${A6}${B6} 3c00 050200000100 3a00 010400000000 8000nnnn 00070001`,
    "IPv6 payload 24 hlim 64 hop-by-hop destination options ICMPv6 echo request id 7 seq 1 " +
    "fd00::1 > fd00::2",
  ],
  [
    "IPv6 fragments",
    `60000000 00102c40 ${A6}${B6} 3a0005a9 0000beef 0102030405060708`,
    "IPv6 payload 16 hlim 64 fragment id 48879 offset 1448 ICMPv6 data 8 B 0102030405060708 " +
    "fd00::1 > fd00::2",
  ],
  [
    "IPv6 with nothing behind it",
    `60000000 00003b40 ${A6}${B6}`,
    "IPv6 payload 0 hlim 64 no next header fd00::1 > fd00::2",
  ],
  [
    "an extension header that ends behind the packet",
    `60000000 00080040 ${A6}${B6} 3aff050200000100`,
    "IPv6 payload 8 hlim 64 hop-by-hop options data 8 B 3aff050200000100 fd00::1 > fd00::2 " +
    "[cut: hop-by-hop options header of 2048 B, only 8 B came]",
  ],
  [
    "neighbor solicitation",
    `60000000 00203aff ${A6}${B6} 8700 nnnn 00000000 ${B6} 0101020000000001`,
    "IPv6 payload 32 hlim 255 ICMPv6 neighbor solicitation who-has fd00::2 " +
    "from 02:00:00:00:00:01 fd00::1 > fd00::2",
  ],
  [
    "neighbor advertisement",
    `60000000 00203aff ${A6}${B6} 8800 nnnn 60000000 ${B6} 0201020000000001`,
    "IPv6 payload 32 hlim 255 ICMPv6 neighbor advertisement fd00::2 is-at 02:00:00:00:00:01 " +
    "solicited override fd00::1 > fd00::2",
  ],
  [
    "a neighbour discovery option of length zero",
    `60000000 00203aff ${A6}${B6} 8700 nnnn 00000000 ${B6} 0100020000000001`,
    "IPv6 payload 32 hlim 255 ICMPv6 neighbor solicitation who-has fd00::2 fd00::1 > fd00::2 " +
    "[lying: neighbour discovery option of length 0]",
  ],
  [
    "packet too big",
    `60000000 00303a40 ${A6}${B6} 0200 nnnn 00000514 60000000 05b41140 ${B6}${A6}`,
    "IPv6 payload 48 hlim 64 ICMPv6 packet too big mtu 1300 about UDP fd00::2 > fd00::1 " +
    "fd00::1 > fd00::2",
  ],
];

for (const [name, hex, text] of PACKETS) {
  Deno.test(`decode: ${name}`, () => assertEquals(textOf(hex), text));
}

Deno.test("decode: what a capture left out is no lie, only unread", () => {
  const echo = bytesOf(`45000064 00000000 4001hhhh ${A4}${B4} 0800iiii0007 0001`);
  assertEquals(decodeBytes(echo, "ip", 100).notes, []);
  const cut = decodeBytes(echo.subarray(0, 22), "ip", 100);
  assertEquals(cut.notes, []);
  assertEquals(cut.layers.at(-1), { kind: "data", length_bytes: 80, hex: "0800" });
});

Deno.test("decode: errors that quote errors without end do not nest", () => {
  const header = `4500ff00 00000000 40010000 ${A4}${B4} 0300000000000000`;
  const { layers } = decodeBytes(bytesOf(header.repeat(2300)));
  const icmp = layers.find((layer) => layer.kind === "icmp");
  assertEquals(icmp?.kind === "icmp" && icmp.about?.length, 2);
});

Deno.test("decode: a chain of extension headers ends at the bound", () => {
  const options = "3c00 010400000000 ".repeat(1000);
  const { layers, notes } = decodeBytes(bytesOf(`60000000 1f403c40 ${A6}${B6} ${options}`));
  const ip = layers[0];
  assertEquals(ip?.kind === "ipv6" && ip.extensions.length, 16);
  assertEquals(notes, [{ kind: "lying", text: "more than 16 extension headers" }]);
});

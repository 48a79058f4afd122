import { foldChecksum, sum16 } from "../../src/net/checksum.ts";
import { echoRequest, readEchoReply } from "../../src/net/icmp_echo.ts";
import { assertEquals } from "../assert.ts";

const IPV4_HEADER = [0x45, 0, 0, 84, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];

/** The reply to a request: the same bytes of another type. */
function reply(version: 4 | 6, identifier: number, sequence: number): number[] {
  const bytes = [...echoRequest(version, { identifier, sequence })];
  bytes[0] = version === 4 ? 0 : 129;
  return bytes;
}

Deno.test("an echo request of each version: type, numbers, checksum", () => {
  for (const [version, type] of [[4, 8], [6, 128]] as const) {
    const bytes = echoRequest(version, { identifier: 0x1234, sequence: 0xfedc });
    assertEquals([...bytes.subarray(0, 2)], [type, 0]);
    assertEquals([...bytes.subarray(4, 8)], [0x12, 0x34, 0xfe, 0xdc]);
    assertEquals(bytes.length, 64);
    // Over its own checksum, a message sums to 0; that of ICMPv6 is the kernel's.
    const sum = foldChecksum(sum16(new DataView(bytes.buffer), 0, bytes.length));
    if (version === 4) assertEquals(sum, 0);
    else assertEquals([...bytes.subarray(2, 4)], [0, 0]);
  }
});

Deno.test("what a raw socket receives: replies, and what is none", () => {
  const four = [...IPV4_HEADER, ...reply(4, 7, 300)];
  const options = [0x46, ...IPV4_HEADER.slice(1), 1, 1, 1, 1, ...reply(4, 7, 300)];
  const six = reply(6, 7, 300);
  const table: [name: string, version: 4 | 6, bytes: number[], found: boolean][] = [
    ["IPv4", 4, four, true],
    ["IPv4 with options", 4, options, true],
    ["IPv6", 6, six, true],
    ["a request over IPv4", 4, [
      ...IPV4_HEADER,
      ...echoRequest(4, { identifier: 7, sequence: 300 }),
    ], false],
    ["a request over IPv6", 6, [...echoRequest(6, { identifier: 7, sequence: 300 })], false],
    ["UDP", 4, four.with(9, 17), false],
    ["a header shorter than IPv4's", 4, four.with(0, 0x44), false],
    ["a header longer than the packet", 4, four.slice(0, 40).with(0, 0x4f), false],
    ["nothing", 4, [], false],
    ["nothing over IPv6", 6, [], false],
  ];
  for (const [name, version, bytes, found] of table) {
    const want = found ? { identifier: 7, sequence: 300 } : undefined;
    assertEquals(readEchoReply(version, Uint8Array.from(bytes)), want, name);
  }
  for (let length = 0; length < 28; length++) {
    assertEquals(readEchoReply(4, Uint8Array.from(four.slice(0, length))), undefined, `${length}`);
  }
  for (let length = 0; length < 8; length++) {
    assertEquals(readEchoReply(6, Uint8Array.from(six.slice(0, length))), undefined, `${length}`);
  }
});

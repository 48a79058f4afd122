import { assertEquals } from "../assert.ts";
import { frame } from "../fakes/frames.ts";
import { ipv4, ipv6 } from "../fakes/packets.ts";
import {
  checkFrame,
  ethernetHeaderBytes,
  formatMac,
  isGroupMac,
  packetInFrame,
  parseMac,
} from "../../src/net/ethernet.ts";

const A = "02:00:00:00:00:0a";
const B = "02:00:00:00:00:0b";
const V4 = ipv4("10.0.0.1", "10.0.0.2");
const V6 = ipv6("fd00:1:0:0:0:0:0:2", "fd00:2:0:0:0:0:0:2");
const VLAN = [0x8100, 7] as const;
const PROVIDER = [0x88a8, 9] as const;

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

const CASES: readonly {
  name: string;
  bytes: Uint8Array;
  good: boolean;
  header?: number;
  version?: number;
}[] = [
  { name: "IPv4", bytes: frame(A, B, 0x800, V4), good: true, header: 14, version: 4 },
  { name: "IPv6", bytes: frame(A, B, 0x86dd, V6), good: true, header: 14, version: 6 },
  { name: "tagged", bytes: frame(A, B, 0x800, V4, [VLAN]), good: true, header: 18, version: 4 },
  {
    name: "tagged twice",
    bytes: frame(A, B, 0x86dd, V6, [PROVIDER, VLAN]),
    good: true,
    header: 22,
    version: 6,
  },
  {
    name: "tagged three times",
    bytes: frame(A, B, 0x800, V4, [PROVIDER, VLAN, VLAN]),
    good: true,
    header: 22,
    version: 0,
  },
  {
    name: "padded IPv4",
    bytes: frame(A, B, 0x800, [...V4, 0, 0]),
    good: true,
    header: 14,
    version: 0,
  },
  { name: "cut IPv4", bytes: frame(A, B, 0x800, V4.slice(1)), good: true, header: 14, version: 0 },
  { name: "IPv6 as IPv4", bytes: frame(A, B, 0x800, V6), good: true, header: 14, version: 0 },
  { name: "IPv4 as IPv6", bytes: frame(A, B, 0x86dd, V4), good: true, header: 14, version: 0 },
  { name: "ARP", bytes: frame(A, B, 0x806, [0, 1]), good: true, header: 14, version: 0 },
  { name: "802.3 length", bytes: frame(A, B, 38, [0x42]), good: true, header: 14, version: 0 },
  { name: "only a header", bytes: frame(A, B, 0x800), good: true, header: 14, version: 0 },
  { name: "a cut tag", bytes: frame(A, B, 0x8100, [0, 7]), good: true, header: 14, version: 0 },
  {
    name: "a tag and nothing else",
    bytes: frame(A, B, 0x800, [], [VLAN]),
    good: true,
    header: 18,
    version: 0,
  },
  { name: "13 bytes", bytes: frame(A, B, 0x800).slice(0, 13), good: false },
  { name: "nothing", bytes: new Uint8Array(0), good: false },
  { name: "a group for a source", bytes: frame(A, "03:00:00:00:00:01", 0x800, V4), good: false },
  { name: "broadcast for a source", bytes: frame(A, "ff:ff:ff:ff:ff:ff", 0x800, V4), good: false },
  { name: "zeros for a source", bytes: frame(A, "00:00:00:00:00:00", 0x800, V4), good: false },
  {
    name: "a source with one bit",
    bytes: frame(A, "00:00:00:00:00:01", 0x806),
    good: true,
    header: 14,
    version: 0,
  },
];

Deno.test("frames: what is one, where its header ends, and the packet in it", async (t) => {
  for (const { name, bytes, good, header, version } of CASES) {
    await t.step(name, () => {
      // Bytes around it must not matter.
      const arena = new Uint8Array(bytes.length + 64).fill(0x81);
      arena.set(bytes, 32);
      for (const [view, at] of [[viewOf(bytes), 0], [viewOf(arena), 32]] as const) {
        assertEquals(checkFrame(view, at, bytes.length), good);
        if (!good) continue;
        const size = ethernetHeaderBytes(view, at, bytes.length);
        assertEquals(size, header);
        assertEquals(packetInFrame(view, at, bytes.length, size), version);
      }
    });
  }
});

Deno.test("MAC addresses: groups, and text both ways", () => {
  assertEquals(isGroupMac(viewOf(Uint8Array.of(0x01, 0, 0x5e, 0, 0, 1)), 0), true);
  assertEquals(isGroupMac(viewOf(Uint8Array.of(0x02, 0, 0, 0, 0, 1)), 0), false);
  for (const text of ["02:42:ac:01:00:02", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"]) {
    assertEquals(formatMac(parseMac(text)!), text);
  }
  assertEquals(formatMac(parseMac("0A:1b:2C:3d:4E:5f")!), "0a:1b:2c:3d:4e:5f");
  for (
    const text of [
      ...["", "02:42:ac:01:00", "02:42:ac:01:00:02:03", "02-42-ac-01-00-02", "0242.ac01.0002"],
      ...["2:42:ac:01:00:02", "02:42:ac:01:00:0g", " 02:42:ac:01:00:02", "02:42:ac:01:00:02\n"],
    ]
  ) assertEquals(parseMac(text), undefined, text);
});

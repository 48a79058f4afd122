import { assert, assertEquals } from "../assert.ts";
import { addressBytes, ipv4, ipv6, slowChecksum } from "../fakes/packets.ts";
import { ICMP_ERROR_MAX_BYTES, type IcmpReason, writeIcmpError } from "../../src/net/icmp_error.ts";

const A = "fd00:1:0:0:0:0:0:2";
const B = "fd00:9:0:0:0:0:0:2";

function answer(
  packet: Uint8Array,
  reason: IcmpReason,
  mtu_bytes = 0,
  from?: readonly number[],
): Uint8Array {
  const out = new DataView(new ArrayBuffer(ICMP_ERROR_MAX_BYTES));
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const version = packet[0]! >> 4 === 4 ? 4 : 6;
  const own = from && new DataView(Uint8Array.from(from).buffer);
  const size = writeIcmpError(out, view, 0, packet.length, version, reason, mtu_bytes, own);
  return new Uint8Array(out.buffer, 0, size);
}

Deno.test("ICMP: fragmentation needed, byte for byte", () => {
  const packet = ipv4("172.1.0.2", "172.9.0.2", [1, 2, 3, 4]);
  const reply = answer(packet, "tooBig", 1400);
  assertEquals(reply.length, 20 + 8 + packet.length);
  assertEquals([...reply.subarray(12, 20)], [172, 9, 0, 2, 172, 1, 0, 2]);
  assertEquals(reply[9], 1);
  assertEquals([...reply.subarray(20, 22)], [3, 4]);
  assertEquals([...reply.subarray(24, 28)], [0, 0, 1400 >> 8, 1400 & 0xff]);
  assertEquals(reply.subarray(28), packet);
  assertEquals(slowChecksum([...reply.subarray(0, 20)]), 0);
  assertEquals(slowChecksum([...reply.subarray(20)]), 0);
});

Deno.test("ICMPv6: packet too big, with the pseudo header in the checksum", () => {
  const packet = ipv6(A, B, Array(1500).fill(9));
  const reply = answer(packet, "tooBig", 1400);
  assertEquals(reply.length, 1280);
  assertEquals([...reply.subarray(8, 24)], addressBytes(B));
  assertEquals([...reply.subarray(24, 40)], addressBytes(A));
  assertEquals([...reply.subarray(40, 42)], [2, 0]);
  assertEquals([...reply.subarray(44, 48)], [0, 0, 1400 >> 8, 1400 & 0xff]);
  const length = reply.length - 40;
  const pseudo = [...reply.subarray(8, 40), 0, 0, length >> 8, length & 0xff, 0, 0, 0, 58];
  assertEquals(slowChecksum([...pseudo, ...reply.subarray(40)]), 0);
});

Deno.test("ICMP: a long packet is quoted up to 576 bytes in all, an odd one right", () => {
  assertEquals(answer(ipv4("172.1.0.2", "172.9.0.2", Array(3000).fill(1)), "noRoute").length, 576);
  const odd = answer(ipv4("172.1.0.2", "172.9.0.2", [1, 2, 3]), "noRoute");
  assertEquals(slowChecksum([...odd.subarray(20)]), 0);
});

Deno.test("ICMP: who gets no answer", () => {
  for (const source of ["0.0.0.0", "127.0.0.1", "224.0.0.5", "255.255.255.255", "240.0.0.1"]) {
    assertEquals(answer(ipv4(source, "172.9.0.2"), "noRoute").length, 0, source);
  }
  for (const destination of ["224.0.0.1", "239.255.255.255", "255.255.255.255"]) {
    assertEquals(answer(ipv4("172.1.0.2", destination), "noRoute").length, 0, destination);
  }
  assertEquals(answer(ipv6("0:0:0:0:0:0:0:0", B), "noRoute").length, 0);
  assertEquals(answer(ipv6("ff02:0:0:0:0:0:0:1", B), "noRoute").length, 0);
  assertEquals(answer(ipv6(A, "ff02:0:0:0:0:0:0:1"), "tooBig", 1280).length, 0);
  for (const type of [3, 4, 5, 11, 12]) {
    const error = ipv4("172.1.0.2", "172.9.0.2", [type, 0, 0, 0], { protocol: 1 });
    assertEquals(answer(error, "noRoute").length, 0, `type ${type}`);
  }
  assert(answer(ipv4("172.1.0.2", "172.9.0.2", [8, 0, 0, 0], { protocol: 1 }), "noRoute").length);
  // An ICMP header that is cut off cannot be judged.
  assertEquals(answer(ipv4("172.1.0.2", "172.9.0.2", [], { protocol: 1 }), "noRoute").length, 0);
});

Deno.test("ICMP: from the node's own address, where it has one", () => {
  const reply = answer(ipv4("172.1.0.2", "172.9.0.2"), "noRoute", 0, [172, 1, 0, 0]);
  assertEquals([...reply.subarray(12, 20)], [172, 1, 0, 0, 172, 1, 0, 2]);
  assertEquals(slowChecksum([...reply.subarray(0, 20)]), 0);
  const reply6 = answer(ipv6(A, B), "noRoute", 0, [...addressBytes("fd00:1:0:0:0:0:0:0")]);
  assertEquals([...reply6.subarray(8, 24)], addressBytes("fd00:1:0:0:0:0:0:0"));
  const length = reply6.length - 40;
  const pseudo = [...reply6.subarray(8, 40), 0, 0, length >> 8, length & 0xff, 0, 0, 0, 58];
  assertEquals(slowChecksum([...pseudo, ...reply6.subarray(40)]), 0);
});

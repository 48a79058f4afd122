import { assert, assertEquals } from "../assert.ts";
import { libc } from "../../ffi/libc.ts";
import { AF_INET, SOCK_DGRAM } from "../../ffi/socket.ts";
import { random } from "../fuzz/random.ts";
import { FILTER_MAX_INSTRUCTIONS } from "../../src/base/limits.ts";
import {
  interfaceFilter,
  MARKED_BYTES,
  type SenderInterfaces,
} from "../../src/io/interface_filter.ts";
import { attachFilter, discardWaiting } from "../../src/io/socket_filter.ts";
import { parseAddress } from "../../src/net/prefix.ts";

/** What the kernel keeps of a datagram of `length` bytes, UDP header and all. */
function run(
  program: Uint8Array,
  { source, ifindex, length }: { source: Uint8Array; ifindex: number; length: number },
): number {
  const view = new DataView(program.buffer);
  const words = new DataView(source.buffer, source.byteOffset, source.length);
  const sourceAt = 0xfff0_0000 + (source.length === 4 ? 12 : 8);
  const memory = new Array<number>(16).fill(NaN);
  let a = NaN;
  for (let at = 0; at < program.length; at += 8) {
    const code = view.getUint16(at, true);
    const k = view.getUint32(at + 4, true);
    const branch = (taken: boolean) => at += 8 * view.getUint8(at + (taken ? 2 : 3));
    switch (code) {
      case 0x80:
        a = length;
        break;
      case 0x20:
        a = k === 0xffff_f008 ? ifindex : words.getUint32(k - sourceAt);
        break;
      case 0x60:
        a = memory[k]!;
        break;
      case 0x02:
        memory[k] = a;
        break;
      case 0x05:
        at += 8 * k;
        break;
      case 0x15:
        branch(a === k);
        break;
      case 0x25:
        branch(a > k);
        break;
      case 0x35:
        branch(a >= k);
        break;
      case 0x06:
        return Math.min(k, length);
      default:
        throw new Error(`operation ${code}`);
    }
  }
  throw new Error("no result");
}

const sender = (text: string, ...interfaces: number[]): SenderInterfaces => ({
  address: parseAddress(text)!.bytes,
  interfaces,
});

Deno.test("interface filter: which datagrams are kept whole", async (t) => {
  const two = [sender("10.0.0.2", 2), sender("10.0.0.3", 2), sender("10.1.0.2", 3, 4)];
  const cases: readonly (readonly [
    name: string,
    senders: readonly SenderInterfaces[],
    source: string,
    ifindex: number,
    whole: boolean,
  ])[] = [
    ["no peer", [], "10.0.0.2", 2, false],
    ["no route to the peer", [sender("10.0.0.2")], "10.0.0.2", 2, false],
    ["one underlay", [sender("10.0.0.2", 2)], "10.0.0.2", 2, true],
    ["one underlay, by lo", [sender("10.0.0.2", 2)], "10.0.0.2", 1, false],
    ["two, the first", two, "10.0.0.3", 2, true],
    ["two, the first by the other's", two, "10.0.0.3", 3, false],
    ["two, the second", two, "10.1.0.2", 3, true],
    ["two, the second's other next hop", two, "10.1.0.2", 4, true],
    ["two, the second by the first's", two, "10.1.0.2", 2, false],
    ["high addresses", [sender("9.0.0.1", 2), sender("200.0.0.1", 3)], "200.0.0.1", 3, true],
    ["IPv6", [sender("fd00::2", 2), sender("fd00::1:0:0:2", 3)], "fd00::1:0:0:2", 3, true],
    ["IPv6 by the other's", [sender("fd00::2", 2), sender("fd00::3", 3)], "fd00::2", 3, false],
  ];
  for (const [name, senders, source, ifindex, whole] of cases) {
    await t.step(name, () => {
      const { program } = interfaceFilter(senders, source.includes(":") ? 6 : 4);
      const kept = (length: number) =>
        run(program, { source: parseAddress(source)!.bytes, ifindex, length });
      assertEquals([kept(8 + 100), kept(8 + 65_507)], whole ? [108, 65_515] : [9, 9]);
      // A mark cannot be sent.
      assertEquals([kept(8), kept(8 + MARKED_BYTES)], [8, 8]);
    });
  }
});

Deno.test("interface filter: 300 times, as a list of senders has it", () => {
  const dice = random(7);
  for (let i = 0; i < 300; i++) {
    const version = dice.below(2) === 0 ? 4 : 6;
    const bytes = () => {
      const address = dice.bytes(version === 4 ? 4 : 16);
      // Near each other, so that all words of an address count.
      for (let at = 0; at < address.length; at++) address[at] = 0x7f + address[at]! % 3;
      return address;
    };
    const senders = new Map(
      Array.from({ length: dice.below(version === 4 ? 30 : 15) }, () => {
        const address = bytes();
        const interfaces = Array.from({ length: dice.below(3) }, () => 1 + dice.below(3));
        return [String(address), { address, interfaces }];
      }),
    );
    const { program, exact } = interfaceFilter([...senders.values()], version);
    assert(exact && program.length <= 8 * FILTER_MAX_INSTRUCTIONS);
    for (const { address, interfaces } of senders.values()) {
      for (let ifindex = 1; ifindex <= 3; ifindex++) {
        const kept = run(program, { source: address, ifindex, length: 500 });
        assertEquals(kept, interfaces.includes(ifindex) ? 500 : 9);
      }
    }
  }
});

/** As many peers as there may be, each by another interface than its neighbours. */
const SCATTERED = Array.from({ length: 4096 }, (_, i) => ({
  address: Uint8Array.of(10, 0, i >> 8, i & 255),
  interfaces: [2 + i % 3],
}));

Deno.test("interface filter: where there are too many ranges, the interfaces of all count", () => {
  const { program, exact } = interfaceFilter(SCATTERED, 4);
  assertEquals(exact, false);
  const source = SCATTERED[0]!.address;
  const kept = [1, 2, 3, 4, 5].map((ifindex) => run(program, { source, ifindex, length: 99 }));
  assertEquals(kept, [9, 99, 99, 99, 9]);
});

Deno.test("interface filter: the kernel takes the largest one in the place of another", () => {
  const { call } = libc();
  for (const version of [4, 6] as const) {
    const fd = call.socket(AF_INET, SOCK_DGRAM, 0);
    try {
      const wide = (i: number) => {
        const address = new Uint8Array(version === 4 ? 4 : 16);
        address.set([10, 0, i >> 8, i & 255]);
        return { address, interfaces: [2 + i % 2] };
      };
      let largest = interfaceFilter([], version);
      for (let count = 1;; count++) {
        const next = interfaceFilter(Array.from({ length: count }, (_, i) => wide(i)), version);
        if (!next.exact) break;
        largest = next;
      }
      assert(largest.program.length > 8 * (FILTER_MAX_INSTRUCTIONS - 30));
      for (let i = 0; i < 3; i++) attachFilter(fd, largest.program);
    } finally {
      call.close(fd);
    }
  }
});

Deno.test("interface filter: in the kernel, on lo", async () => {
  const LO = 1;
  for (const hostname of ["127.0.0.1", "::1"]) {
    const version = hostname.includes(":") ? 6 : 4;
    const open = () => Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
    const receiver = open();
    const from = open();
    const { port } = receiver.addr as Deno.NetAddr;
    const fd = descriptorOf(port, version);
    const told = async (senders: readonly SenderInterfaces[], bytes: number) => {
      attachFilter(fd, interfaceFilter(senders, version).program);
      await from.send(new Uint8Array(bytes), receiver.addr);
      const [got] = await receiver.receive();
      return got.length;
    };
    await from.send(new Uint8Array(77), receiver.addr);
    discardWaiting(fd);
    assertEquals(await told([sender(hostname, LO)], 500), 500, "what waited is gone");
    assertEquals(await told([], 500), MARKED_BYTES);
    assertEquals(await told([sender(hostname, LO + 1)], 500), MARKED_BYTES);
    assertEquals(await told([sender(hostname, LO)], MARKED_BYTES), 0);
    const other = version === 4 ? "127.0.0.0" : "::";
    assertEquals(await told([sender(other, LO + 1), sender(hostname, LO)], 500), 500);
    assertEquals(await told([sender(other, LO), sender(hostname, LO + 1)], 500), MARKED_BYTES);
    receiver.close();
    from.close();
  }
});

/** The descriptor of the socket on a port. */
function descriptorOf(port: number, version: 4 | 6): number {
  const { call } = libc();
  const name = new Uint8Array(28);
  for (let fd = 0; fd < 1024; fd++) {
    const size = new Uint8Array(new Uint32Array([name.length]).buffer);
    if (call.getsockname(fd, name, size) < 0) continue;
    const view = new DataView(name.buffer);
    const family = view.getUint16(0, true);
    if (family === (version === 4 ? 2 : 10) && view.getUint16(2) === port) return fd;
  }
  throw new Error(`no socket on port ${port}`);
}

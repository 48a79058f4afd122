import { assert, assertEquals } from "../assert.ts";
import { acquired } from "../fakes/table.ts";
import { type Random, random } from "../fuzz/random.ts";
import { Senders, UNKNOWN_PEER } from "../../src/dataplane/senders.ts";
import { LaneTable } from "../../src/forwarding/lane_table.ts";
import { type PeerRow, TRANSPORT, type Transport } from "../../src/forwarding/peer_row.ts";
import { ForwardingTable } from "../../src/forwarding/table.ts";
import { putSockaddr, type Sender, SOCKADDR_WORDS } from "../../src/io/sockaddr.ts";

/** The socket address as number 1 of a table whose number 0 is another's. */
function named({ address, port }: Sender): Int32Array {
  const names = new Int32Array(2 * SOCKADDR_WORDS).fill(-1);
  putSockaddr(names, 1, address, port);
  return names;
}

const row = (address: Uint8Array, port: number, transport: Transport): PeerRow => ({
  address,
  port,
  mtu_bytes: 1472,
  capabilities: 0,
  heard: false,
  token: 0n,
  transport,
});

const A = Uint8Array.of(192, 0, 2, 1);
const A6 = Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

Deno.test("senders: which transports are known by their address", () => {
  for (const [name, transport] of Object.entries(TRANSPORT)) {
    const table = new ForwardingTable();
    table.setPeer(5, row(A, 3009, transport));
    const senders = new Senders();
    senders.useTable(acquired(table));
    const known = ["other_mode", "plain", "tunnet", "kernel", "sealed"].includes(name);
    const names = named({ address: A, port: 3009 });
    assertEquals(senders.peerAt(names, SOCKADDR_WORDS), known ? 5 : UNKNOWN_PEER, name);
    assertEquals(senders.isHostAt(names, SOCKADDR_WORDS), known, name);
  }
});

Deno.test("senders: an IPv6 sender is known whatever its flow and scope", () => {
  const table = new ForwardingTable();
  table.setPeer(0, row(A6, 3009, TRANSPORT.plain));
  const senders = new Senders();
  senders.useTable(acquired(table));
  const names = named({ address: A6, port: 3009 });
  names[SOCKADDR_WORDS + 1] = 0x12345678;
  names[SOCKADDR_WORDS + 6] = 7;
  assertEquals(senders.peerAt(names, SOCKADDR_WORDS), 0);
  // Each word of the address counts.
  for (let byte = 0; byte < 16; byte++) {
    const other = named({ address: A6.with(byte, A6[byte]! ^ 1), port: 3009 });
    assertEquals(senders.peerAt(other, SOCKADDR_WORDS), UNKNOWN_PEER);
    assertEquals(senders.isHostAt(other, SOCKADDR_WORDS), false);
  }
});

const drawAddress = (dice: Random, size: number) =>
  Uint8Array.from({ length: size }, (_, i) => i < size - 1 ? 10 : dice.below(12));

for (const size of [4, 16]) {
  Deno.test(`senders: peers come, move and go, addresses of ${size} bytes, against a list`, () => {
    const dice = random(0x5e4de7 + size);
    const table = new ForwardingTable();
    const lane = new LaneTable(table.memory, 0);
    const senders = new Senders();
    const rows = new Map<number, PeerRow>();
    let found = 0;
    let several = 0;
    for (let step = 0; step < 3_000; step++) {
      for (let changes = 1 + dice.below(4); changes > 0; changes--) {
        const index = dice.below(120);
        if (dice.below(3) === 0) {
          table.clearPeer(index);
          rows.delete(index);
          continue;
        }
        const transport = dice.pick([TRANSPORT.plain, TRANSPORT.kernel, TRANSPORT.other_mode]);
        const one = row(drawAddress(dice, size), 3000 + dice.below(4), transport);
        table.setPeer(index, one);
        rows.set(index, one);
      }
      lane.acquire();
      senders.useTable(lane);
      const address = drawAddress(dice, size);
      const names = named({ address, port: 3000 + dice.below(5) });
      const port = new DataView(names.buffer).getUint16(4 * SOCKADDR_WORDS + 2);
      const hosts = [...rows].filter(([, one]) => String(one.address) === String(address));
      const peers = hosts.filter(([, one]) => one.port === port).map(([index]) => index);
      const peer = senders.peerAt(names, SOCKADDR_WORDS);
      // Of several peers with one endpoint, any: nothing tells them apart.
      assert(peers.length > 0 ? peers.includes(peer) : peer === UNKNOWN_PEER, `step ${step}`);
      assertEquals(senders.isHostAt(names, SOCKADDR_WORDS), hosts.length > 0, `step ${step}`);
      if (peers.length > 0) found++;
      if (peers.length > 1) several++;
    }
    assert(found > 500 && several > 100, `${found} found, ${several} with several peers`);
  });
}

Deno.test("senders: two peers exchange their addresses in one publish", () => {
  const table = new ForwardingTable();
  const lane = new LaneTable(table.memory, 0);
  const senders = new Senders();
  const B = Uint8Array.of(192, 0, 2, 2);
  for (const [first, second] of [[A, B], [B, A], [A, B]] as const) {
    table.setPeer(0, row(first, 1, TRANSPORT.plain));
    table.setPeer(1, row(second, 1, TRANSPORT.plain));
    lane.acquire();
    senders.useTable(lane);
    const peerAt = (address: Uint8Array) =>
      senders.peerAt(named({ address, port: 1 }), SOCKADDR_WORDS);
    assertEquals([peerAt(first), peerAt(second)], [0, 1]);
  }
});

import { assertEquals } from "../assert.ts";
import { TRANSPORT, type Transport } from "../../src/forwarding/peer_row.ts";
import type { Peer } from "../../src/peers/peer.ts";
import { rowOf, transportOf } from "../../src/peers/transport.ts";
import { CAPABILITY } from "../../src/wire/hello.ts";
import { helloOf, registryOf } from "../fakes/peers.ts";

/** It has heard the hello that was sent to it at 1 s. */
const ECHO = { echo_us: 1_000_000, held_us: 0 };
const KERNEL = { capabilities: CAPABILITY.kernelPath };

const hear = (change: Parameters<typeof helloOf>[0]) => ({ liveness }: Peer) =>
  void liveness.hear(helloOf(change), 1_010);

const CASES: readonly (readonly [
  name: string,
  host: string,
  prepare: (peer: Peer) => void,
  expected: Transport,
])[] = [
  ["no address yet", "b.test", () => {}, TRANSPORT.unresolved],
  ["no address yet, whatever it says", "b.test", hear(KERNEL), TRANSPORT.unresolved],
  ["never heard", "10.0.0.2", () => {}, TRANSPORT.plain],
  ["packets only", "10.0.0.2", ({ liveness }) => liveness.carried(5, 1), TRANSPORT.plain],
  ["a hello", "10.0.0.2", hear({}), TRANSPORT.tunnet],
  ["the other mode", "10.0.0.2", hear({ mode: "tap", ...KERNEL, ...ECHO }), TRANSPORT.other_mode],
  ["it has the kernel path and does not hear us", "10.0.0.2", hear(KERNEL), TRANSPORT.tunnet],
  ["it has it and hears us", "10.0.0.2", hear({ ...KERNEL, ...ECHO }), TRANSPORT.kernel],
  ["it hears us and has none", "10.0.0.2", hear(ECHO), TRANSPORT.tunnet],
  [
    "it heard us long ago",
    "10.0.0.2",
    (peer) => {
      hear({ ...KERNEL, ...ECHO })(peer);
      peer.liveness.hear(helloOf({ ...KERNEL, number: 2, sent_us: 2 }), 15_000);
      peer.liveness.expire(19_500);
    },
    TRANSPORT.tunnet,
  ],
  [
    "silent",
    "10.0.0.2",
    (peer) => {
      hear({ ...KERNEL, ...ECHO })(peer);
      peer.liveness.expire(90_000);
    },
    TRANSPORT.tunnet,
  ],
];

for (const [name, host, prepare, expected] of CASES) {
  Deno.test(`transport: ${name}`, () => {
    const peer = registryOf({ b: host }).peers[0]!;
    prepare(peer);
    assertEquals(transportOf(peer, "tun"), expected);
    const row = rowOf(peer, "tun", 1400);
    assertEquals(
      [row.transport, row.mtu_bytes, row.port, row.address.length],
      [expected, 1400, 3009, host === "b.test" ? 0 : 4],
    );
  });
}

Deno.test("transport: a peer with a key is sealed, whatever it says, or anybody in its name", () => {
  for (const [name, host, prepare] of CASES) {
    const peer = registryOf({ b: host }).peers[0]!;
    const keys = { publicKey: new Uint8Array(32).fill(7), wireguard: false, keepalive_ms: 0 };
    peer.update({ ...peer.node, keys }, []);
    prepare(peer);
    const expected = host === "b.test" ? TRANSPORT.unresolved : TRANSPORT.sealed;
    assertEquals(transportOf(peer, "tun"), expected, name);
  }
});

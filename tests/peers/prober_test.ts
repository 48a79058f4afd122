import { assertEquals, assertThrows } from "../assert.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/libc.ts";
import { PROBES_MAX } from "../../src/base/limits.ts";
import { formatAddress, parseAddress } from "../../src/net/prefix.ts";
import { Prober } from "../../src/peers/prober.ts";
import { decodeHello } from "../../src/wire/hello.ts";
import { helloOf, logged, registryOf } from "../fakes/peers.ts";

/** A prober whose sockets come up with the errnos that a test sets. */
function setup(nodes: Readonly<Record<string, string>>) {
  const registry = registryOf(nodes);
  const { log, lines } = logged();
  const down: string[] = [];
  const open = new Set<string>();
  const sent: string[] = [];
  const errors = { send: 0, back: 0, open: 0 };
  const prober = new Prober(
    registry,
    ({ bytes }) => {
      const host = formatAddress(bytes);
      if (errors.open !== 0) throw new SyscallError("socket", errors.open);
      open.add(host);
      return {
        send(datagram) {
          if (decodeHello(datagram)?.probe) sent.push(host);
          return errors.send;
        },
        error: () => errors.back,
        close: () => void open.delete(host),
      };
    },
    log,
    ({ name }) => void down.push(name),
  );
  return { registry, prober, lines, down, open, sent, errors };
}

Deno.test("prober: only who is missing is probed, from a socket that is kept", () => {
  const { registry, prober, open, sent } = setup({ b: "10.0.0.2", c: "10.0.0.3" });
  registry.peers[1]!.liveness.hear(helloOf({ name: "c" }), 1_000);
  prober.round(1_000);
  prober.round(6_000);
  assertEquals([sent, [...open]], [["10.0.0.2", "10.0.0.2"], ["10.0.0.2"]]);
  registry.peers[0]!.liveness.hear(helloOf(), 6_000);
  prober.round(6_001);
  assertEquals([sent.length, open.size], [2, 0], "it is there");
});

Deno.test("prober: what comes back makes a peer down, and silence makes it plain again", () => {
  const { registry, prober, lines, down, errors } = setup({ b: "10.0.0.2" });
  const { liveness } = registry.peers[0]!;
  prober.round(1_000);
  prober.check(1_500);
  assertEquals(liveness.state, "plain");
  errors.back = ERRNO.ECONNREFUSED;
  prober.check(2_000);
  prober.check(3_000);
  assertEquals([liveness.state, liveness.why], [
    "down",
    "nothing listens on UDP port 3009 of 10.0.0.2",
  ]);
  assertEquals([down, lines.length], [["b"], 1], "told once");
  errors.back = 0;
  prober.round(6_000);
  assertEquals(liveness.state, "down", "the last probe was answered by an error");
  prober.round(11_000);
  assertEquals(liveness.state, "plain", "nothing came back of the one after it");
  errors.send = ERRNO.ENETUNREACH;
  prober.round(16_000);
  assertEquals([liveness.state, liveness.why], ["down", "no route leads to 10.0.0.2"]);
});

Deno.test("prober: a peer without an address is down, and another address gets another socket", () => {
  const { registry, prober, open } = setup({ b: "b.test" });
  const [b] = registry.peers;
  prober.round(1_000);
  assertEquals(b!.liveness.why, "the name b.test has no IPv4 address");
  b!.offer([parseAddress("10.0.0.2")!]);
  prober.round(6_000);
  b!.offer([parseAddress("10.0.0.9")!]);
  prober.round(11_000);
  assertEquals([...open], ["10.0.0.9"]);
  prober.close();
  assertEquals(open.size, 0);
});

Deno.test("prober: sockets are bounded", () => {
  const nodes = Array.from({ length: PROBES_MAX + 10 }, (_, i) => [`n${i}`, `10.0.1.${i + 1}`]);
  const { prober, open } = setup(Object.fromEntries(nodes));
  prober.round(1_000);
  assertEquals(open.size, PROBES_MAX);
});

Deno.test("prober: out of descriptors, the sockets that are open are used, and the rest later", () => {
  const { prober, open, sent, errors, registry, lines } = setup({
    ...{ b: "10.0.0.2", c: "10.0.0.3", d: "d.test", e: "10.0.0.5" },
  });
  const [b, c] = registry.peers;
  c!.liveness.hear(helloOf({ name: "c" }), 1_000);
  registry.peers[3]!.liveness.hear(helloOf({ name: "e" }), 1_000);
  prober.round(1_000);
  assertEquals([...open], [formatAddress(b!.address!.bytes)]);
  errors.open = ERRNO.EMFILE;
  sent.length = 0;
  // Those two have fallen silent by now.
  assertThrows(() => prober.round(60_000), SyscallError, "EMFILE");
  assertEquals([[...sent], [...open]], [["10.0.0.2"], ["10.0.0.2"]]);
  assertEquals(lines.length, 1, "what has no name is told nevertheless");
  errors.open = 0;
  prober.round(65_000);
  assertEquals(open, new Set(["10.0.0.2", "10.0.0.3", "10.0.0.5"]));
});

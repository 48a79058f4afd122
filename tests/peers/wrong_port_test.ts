import { assertEquals } from "../assert.ts";
import { parseAddress } from "../../src/net/prefix.ts";
import { WrongPorts } from "../../src/peers/wrong_port.ts";
import { helloOf, logged, registryOf } from "../fakes/peers.ts";

Deno.test("wrong port: named once, and a probe is none", () => {
  const registry = registryOf({ b: "192.168.0.7" });
  const { log, lines } = logged();
  const wrongPorts = new WrongPorts(registry, log);
  const [peer] = registry.peers;
  const { bytes: address } = parseAddress("192.168.0.7")!;

  wrongPorts.hear({ address, port: 50_000 }, helloOf({ probe: true }));
  assertEquals([lines.length, wrongPorts.of(peer!)], [0, undefined]);
  wrongPorts.hear({ address, port: 4000 }, helloOf());
  wrongPorts.hear({ address, port: 4000 }, new Uint8Array(0));
  assertEquals([lines.length, wrongPorts.of(peer!)], [1, 4000]);
  wrongPorts.hear({ address: Uint8Array.of(10, 9, 9, 9), port: 4000 }, helloOf());
  assertEquals(lines.length, 1, "of nobody's address");
});

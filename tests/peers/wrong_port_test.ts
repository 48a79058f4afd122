import { assertEquals } from "../assert.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { createLog } from "../../src/base/log.ts";
import { parseAddress } from "../../src/net/prefix.ts";
import { Roster } from "../../src/peers/roster.ts";
import { WrongPorts } from "../../src/peers/wrong_port.ts";
import { PeerBook } from "../../src/peers/book.ts";

const YAML = `
nodes:
  - {name: a, address: 192.168.0.8, subnets: [172.1.0.0/16]}
  - {name: b, address: 192.168.0.7, subnets: [172.2.0.0/16]}
`;

Deno.test("wrong port: named once, and a probe is none", () => {
  const { config } = parseConfig(YAML, "tunnet.yaml");
  const roster = new Roster(config, config.nodes[0]!, 4);
  const lines: string[] = [];
  const log = createLog({
    ...{ level: "info", json: false, now: () => new Date(0) },
    write: (line) => lines.push(line),
  });
  const wrongPorts = new WrongPorts(roster, log);
  const { index } = roster.peers[0]!;
  const { bytes: address } = parseAddress("192.168.0.7")!;
  const book = new PeerBook(["a"], { name: "b", mode: "tun", mtu_bytes: 1472, capabilities: 1 });

  wrongPorts.hear({ address, port: 50_000 }, book.probe(1));
  assertEquals([lines.length, wrongPorts.of(index)], [0, undefined]);
  wrongPorts.hear({ address, port: 4000 }, book.hello(0, 2));
  wrongPorts.hear({ address, port: 4000 }, new Uint8Array(0));
  assertEquals([lines.length, wrongPorts.of(index)], [1, 4000]);
});

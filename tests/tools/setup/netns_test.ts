import { UsageError } from "../../../src/base/errors.ts";
import { parseConfig } from "../../../src/config/parse.ts";
import { dockerScript } from "../../../src/tools/setup/docker.ts";
import { netnsScript } from "../../../src/tools/setup/netns.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "../../assert.ts";
import { inputFor, shellcheck } from "./scripts.ts";

Deno.test("setup --netns: addresses of the bridge and of the pod", () => {
  const script = netnsScript(inputFor("both"));
  for (
    const line of [
      "ip address replace 172.2.0.1/16 dev tunnet-br",
      "ip address replace fd00:172:2::1/64 dev tunnet-br nodad",
      "ip -n tunnet-pod address replace 172.2.0.2/16 dev eth0",
      "ip -n tunnet-pod address replace fd00:172:2::2/64 dev eth0 nodad",
      "ip -n tunnet-pod -4 route replace default via 172.2.0.1",
      "ip -n tunnet-pod -6 route replace default via fd00:172:2::1",
    ]
  ) assertStringIncludes(script, `\n${line}\n`);
  const only6 = netnsScript(inputFor("only6"));
  assert(!only6.includes("iptables filter -"), "no IPv4 rules without IPv4 pods");
  assertStringIncludes(only6, "ip6tables");
});

for (const node of ["small", "none"]) {
  Deno.test(`setup --netns: node ${node} has no room for a pod`, () => {
    assertEquals(
      assertThrows(() => netnsScript(inputFor(node)), UsageError).message,
      `${node} has no subnet with room for a pod; try: subnets: [172.1.0.0/16], or the like`,
    );
  });
}

Deno.test("setup --netns: shellcheck finds nothing, undo included", async () => {
  for (const node of ["one", "both", "many", "only6"]) {
    for (const undo of [false, true]) await shellcheck(netnsScript(inputFor(node, { undo })));
  }
});

const TAP = `mode: tap
bridge: br0
network: [10.244.0.0/16, "fd00:244::/64"]
nodes:
  - { name: one, address: 192.168.0.8 }
  - { name: two, address: 192.168.0.7 }
  - { name: three, address: 192.168.0.9 }
`;

function tapInput(name: string, change: (yaml: string) => string = (yaml) => yaml, undo = false) {
  const loaded = parseConfig(change(TAP), "tunnet.yaml");
  return { loaded, self: loaded.config.nodes.find((node) => node.name === name)!, undo };
}

Deno.test("setup in mode tap: each node has its part of the one network, and keeps it", () => {
  const more = (yaml: string) => yaml + "  - { name: four, address: 192.168.0.10 }\n";
  for (const change of [(yaml: string) => yaml, more]) {
    const netns = netnsScript(tapInput("three", change));
    assertStringIncludes(netns, "address replace 10.244.128.2/16 dev eth0\n");
    assertStringIncludes(netns, "address replace fd00:244::8000:0:0:2/64 dev eth0 nodad\n");
    const docker = dockerScript(tapInput("three", change));
    assertStringIncludes(docker, "--subnet 10.244.0.0/16 --gateway 10.244.128.1");
    assertStringIncludes(docker, "--ip-range 10.244.128.0/18");
    assertStringIncludes(docker, "bridge.name=br0");
  }
  const alone = (yaml: string) => yaml.replace(/^network.*\n/m, "");
  assert(
    !netnsScript(tapInput("one", alone)).includes("address replace"),
    "no network, no address",
  );
});

Deno.test("setup in mode tap: shellcheck finds nothing, undo included", async () => {
  for (const script of [netnsScript, dockerScript]) {
    for (const undo of [false, true]) {
      await shellcheck(script(tapInput("two", (yaml) => yaml.replace("br0", "'b;r'"), undo)));
    }
  }
});

Deno.test("setup in mode tap: what is missing is named", () => {
  const without = (key: string) => (yaml: string) =>
    yaml.replace(new RegExp(`^${key}.*\n`, "m"), "");
  const said = (script: typeof netnsScript, change: (yaml: string) => string) =>
    assertThrows(() => script(tapInput("two", change)), UsageError).message;
  assertMatch(said(netnsScript, without("bridge")), /^the config's mode is tap, and it names no b/);
  assertMatch(said(dockerScript, without("network")), /^the config's mode is tap, .* no IPv4 netw/);
  const small = (yaml: string) => yaml.replace("10.244.0.0/16", "10.244.0.0/29");
  assertMatch(
    said(dockerScript, small),
    /^10\.244\.0\.0\/29 has no room for 3 nodes and their pods/,
  );
});

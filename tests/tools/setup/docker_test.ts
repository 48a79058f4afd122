import { UsageError } from "../../../src/base/errors.ts";
import { dockerNetworks, dockerScript } from "../../../src/tools/setup/docker.ts";
import { formatPrefix } from "../../../src/net/prefix.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "../../assert.ts";
import { inputFor, shellcheck } from "./scripts.ts";

const NETWORKS: readonly (readonly [node: string, networks: readonly string[]])[] = [
  ["one", ["tunnet tunnet-br 172.1.0.0/16"]],
  ["both", ["tunnet tunnet-br 172.2.0.0/16 fd00:172:2::/64"]],
  ["many", ["tunnet tunnet-br 172.3.0.0/16 fd00:172:3::/64", "tunnet2 tunnet-br2 172.13.0.0/16"]],
];

for (const [node, networks] of NETWORKS) {
  Deno.test(`setup --docker: the networks of node ${node}`, () => {
    const { loaded, self } = inputFor(node);
    const found = dockerNetworks(loaded.config, self).map(({ name, bridge, subnets }) =>
      [name, bridge, ...subnets.map(formatPrefix)].join(" ")
    );
    assertEquals(found, networks);
  });
}

const BAD: readonly (readonly [node: string, line: string])[] = [
  [
    "only6",
    "only6 has 0 IPv4 and 1 IPv6 subnets (a Docker network has one IPv4 subnet and at most one " +
    "IPv6 subnet beside it); try: an IPv4 subnet for each, or --netns",
  ],
  ["small", "172.5.0.0/31 of small has no room for a gateway and a pod; try: a shorter prefix"],
];

for (const [node, line] of BAD) {
  Deno.test(`setup --docker: node ${node} does not fit`, () => {
    assertEquals(assertThrows(() => dockerScript(inputFor(node)), UsageError).message, line);
  });
}

Deno.test("setup --docker: what the script asks of Docker and of the firewall", () => {
  const script = dockerScript(inputFor("both", { top: "mtu: 1400\n" }));
  assertStringIncludes(script, "--subnet 172.2.0.0/16 --gateway 172.2.0.1");
  assertStringIncludes(script, "--subnet fd00:172:2::/64 --gateway fd00:172:2::1");
  assertStringIncludes(script, "enable_ip_masquerade");
  assertStringIncludes(script, "com.docker.network.driver.mtu=1400");
  assertStringIncludes(script, `rule iptables nat POSTROUTING -o "$device" -j ACCEPT`);
  assertStringIncludes(
    script,
    `rule ip6tables filter "$forward" -i "$device" -o tunnet-br -j ACCEPT`,
  );
  assertStringIncludes(script, "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding");
  const one = dockerScript(inputFor("one"));
  assert(!/ip6tables|ipv6|mtu/.test(one), "nothing of IPv6, nor an MTU, where there is none");
});

Deno.test("setup --docker: what leaves the network does so by the host's address", () => {
  const script = dockerScript(inputFor("both"));
  for (
    const rule of [
      "  last iptables nat POSTROUTING -s 172.2.0.0/16 ! -d 172.0.0.0/8 -j MASQUERADE\n",
      "  last ip6tables nat POSTROUTING -s fd00:172:2::/64 ! -d fd00:172::/32 -j MASQUERADE\n",
    ]
  ) {
    assertStringIncludes(script, rule);
    const undo = dockerScript(inputFor("both", { undo: true }));
    assertStringIncludes(undo, rule.replace("last", "rule"));
  }
  // Two bridges of one node may be reached by each other's pods, too.
  const many = dockerScript(inputFor("many"));
  assertStringIncludes(
    many,
    "rule iptables nat POSTROUTING -s 172.3.0.0/16 -o tunnet-br2 -j ACCEPT",
  );
});

Deno.test("setup --docker: one command has the service run it at each start", () => {
  const file = "my nodes.yaml";
  const input = inputFor("one");
  const script = dockerScript({ ...input, loaded: { ...input.loaded, file } });
  assertStringIncludes(
    script,
    "#   tunnet setup --docker -c 'my nodes.yaml' --node one >prepare.sh && " +
      "sudo install -D -m 0755 prepare.sh /etc/tunnet/prepare.sh\n",
  );
});

Deno.test("setup --docker: two networks of one node may talk to each other", () => {
  const script = dockerScript(inputFor("many"));
  assertStringIncludes(script, "-i tunnet-br -o tunnet-br2 -j ACCEPT");
  assertStringIncludes(script, "-i tunnet-br2 -o tunnet-br -j ACCEPT");
});

Deno.test("setup: the head is comments, whatever the config's path holds", () => {
  const script = dockerScript(inputFor("one", { source: "a\nreboot\n.yaml" }));
  assertMatch(script, /^#!\/bin\/sh\n(#.*\n)+set -eu\n/);
  assertStringIncludes(script, "# from the config a\\nreboot\\n.yaml\n");
});

Deno.test("setup --docker: shellcheck finds nothing, undo included", async () => {
  for (const top of ["", 'mtu: 1400\ndevice: "a;b\'c&d"\n']) {
    for (const node of ["one", "both", "many"]) {
      for (const undo of [false, true]) {
        const script = dockerScript(inputFor(node, { undo, top }));
        await shellcheck(script);
        assertEquals(script.includes(`device='a;b'\\''c&d'`), top !== "");
      }
    }
  }
});

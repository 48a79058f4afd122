import { UsageError } from "../../../src/base/errors.ts";
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

Deno.test("setup: mode tap has no subnets to make bridges of", () => {
  const input = inputFor("one", { top: "mode: tap\n" });
  for (const script of [netnsScript, dockerScript]) {
    assertMatch(assertThrows(() => script(input), UsageError).message, /^the config's mode is tap/);
  }
});

/** A lab's namespaces as the kernel has them; ip(8) is the oracle. */

import { runProgram } from "../../../src/base/run_program.ts";
import { netnsNames } from "../../../src/host/netns.ts";
import { LabThread } from "../../../src/tools/lab/thread.ts";
import { type LabShape, namespacesOf } from "../../../src/tools/lab/topology.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "../../assert.ts";
import { canMakeNamespaces } from "../../host/namespace.ts";
import { planOf } from "./plan.ts";

const WORKER = new URL("../../../src/cli/worker.ts", import.meta.url).href;
const MARK = "a mark of this test";

interface Link {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly master?: string;
  readonly ifalias?: string;
  readonly linkinfo?: { readonly info_kind: string };
  readonly addr_info: readonly {
    readonly local: string;
    readonly prefixlen: number;
    readonly scope: string;
  }[];
}

async function ip(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram("ip", words);
  assertEquals(code, 0, stderr);
  return stdout;
}

async function linksOf(namespace: string): Promise<readonly Link[]> {
  return JSON.parse(await ip("-n", namespace, "-d", "-j", "addr"));
}

/** `br0 bridge 172.1.0.1/16`, for each device that is up. */
async function shown(namespace: string): Promise<readonly string[]> {
  return (await linksOf(namespace)).filter(({ flags }) => flags.includes("UP")).map((link) => {
    const addresses = link.addr_info.filter(({ scope, local }) =>
      scope === "global" && !local.startsWith("127.")
    ).map(({ local, prefixlen }) => `${local}/${prefixlen}`);
    return [link.ifname, link.linkinfo?.info_kind, link.master, ...addresses]
      .filter((one) => one !== undefined).join(" ");
  }).sort();
}

function test(
  name: string,
  shape: Partial<LabShape>,
  body: (thread: LabThread, plan: ReturnType<typeof planOf>) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: !canMakeNamespaces,
    fn: async () => {
      using thread = new LabThread(WORKER);
      const plan = planOf(shape, `b${Deno.pid}`);
      try {
        await body(thread, plan);
      } finally {
        await thread.call("remove", namespacesOf(plan), MARK);
      }
      assertEquals(netnsNames().filter((one) => namespacesOf(plan).includes(one)), []);
    },
  });
}

test("two nodes and their pods, as ip shows them", { ipv6: true }, async (thread, plan) => {
  await thread.call("build", plan.steps, MARK);
  const [a, b] = plan.nodes;
  const listed = (await ip("netns", "list")).split("\n").map((line) => line.split(" ")[0]!);
  for (const name of namespacesOf(plan)) {
    assert(listed.includes(name), `ip netns list shows ${name}`);
    const lo = (await linksOf(name)).find(({ ifname }) => ifname === "lo");
    assertEquals([lo?.ifalias, lo?.flags.includes("UP")], [MARK, true]);
  }
  assertEquals(await shown(a!.namespace), [
    "br0 bridge 172.1.0.1/16 fd00:172:1::1/64",
    "eth0 veth 192.168.0.8/32",
    "lo",
    "pod veth br0",
  ]);
  assertEquals(await shown(a!.podNamespace), ["eth0 veth 172.1.0.2/16 fd00:172:1::2/64", "lo"]);
  assertEquals(await shown(plan.switchNamespace), [
    "lo",
    "port0 veth switch",
    "port1 veth switch",
    "switch bridge",
  ]);
  const routes = async (namespace: string, ...words: readonly string[]) =>
    (await ip("-n", namespace, ...words, "route")).replaceAll(/ +$/gm, "");
  assertStringIncludes(
    await routes(a!.namespace),
    "192.168.0.7 dev eth0 proto static scope link src 192.168.0.8\n",
  );
  assertStringIncludes(
    await routes(b!.podNamespace),
    "default via 172.2.0.1 dev eth0 proto static\n",
  );
  assertStringIncludes(
    await routes(b!.podNamespace, "-6"),
    "default via fd00:172:2::1 dev eth0 proto static metric 1024",
  );
});

test("mode tap: pods are stations of an Ethernet", { mode: "tap" }, async (thread, plan) => {
  await thread.call("build", plan.steps, MARK);
  const links = await linksOf(plan.nodes[1]!.podNamespace);
  const eth0 = links.find(({ ifname }) => ifname === "eth0")!;
  assertEquals([eth0.mtu, eth0.addr_info[0]!.local], [1500, "10.1.0.2"]);
});

test(
  "echo requests and TCP from inside, in both versions",
  { ipv6: true },
  async (thread, plan) => {
    await thread.call("build", plan.steps, MARK);
    const pod = `/run/netns/${plan.nodes[0]!.podNamespace}`;
    const addresses = ["172.1.0.1", "fd00:172:1::1"];
    const nobody = ["172.1.0.99", "fd00:172:1::99", "192.0.2.1"];
    const pings = [...addresses, ...nobody].map((address) => ({ path: pod, address }));
    const trips = await thread.call("ping", pings, 3);
    const received = trips.map((times) => times.filter((time) => time !== null).length);
    assertEquals(received, [3, 3, 0, 0, 0]);
    assert(trips[0]!.every((time) => time! > 0 && time! < 1000));

    const node = `/run/netns/${plan.nodes[0]!.namespace}`;
    for (const address of addresses) {
      using other = new LabThread(WORKER);
      const port = await thread.call("listen", node, address);
      const [{ bytes, duration_ms }] = await Promise.all([
        thread.call("received"),
        other.call("send", pod, address, port, 50),
      ]);
      assert(bytes > 100_000 && duration_ms > 10, `${bytes} bytes in ${duration_ms} ms`);
    }
  },
);

test(
  "a name that is taken is left alone, and so is what bears no mark",
  {},
  async (thread, plan) => {
    const { namespace } = plan.nodes[0]!;
    await ip("netns", "add", namespace);
    try {
      await assertRejects(
        () => thread.call("build", plan.steps, MARK),
        Error,
        `cannot make ${namespace} (open: EEXIST)`,
      );
      const left = await thread.call("remove", namespacesOf(plan), MARK);
      assertEquals(left, [namespace]);
      assert(netnsNames().includes(namespace));
    } finally {
      await ip("netns", "del", namespace);
    }
  },
);

test("what the making of a namespace left when it was cut short goes", {}, async (thread, plan) => {
  const { namespace } = plan.nodes[0]!;
  await Deno.writeTextFile(`/run/netns/${namespace}`, "");
  assertEquals(await thread.call("remove", [namespace], MARK), []);
  assert(!netnsNames().includes(namespace));
});

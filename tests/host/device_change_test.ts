/** Going over to another plan while the device stays up, in namespaces. */

import { assert, assertEquals, assertStringIncludes } from "../assert.ts";
import type { PlanText } from "./driver.ts";
import { canMakeNamespaces, type Driver, Namespace } from "./namespace.ts";

function test(name: string, run: (ns: Namespace) => Promise<void>): void {
  Deno.test({ name, ignore: !canMakeNamespaces, fn: () => Namespace.with(run) });
}

const FIRST = {
  mtu_bytes: 1400,
  addresses: ["172.1.0.0/32", "fd00:1::/128"],
  routes: [{ prefix: "172.2.0.0/16" }, { prefix: "172.3.0.0/16" }, { prefix: "fd00:2::/64" }],
};

/** A configured tun device: its index, and how the host was before. */
async function configured(ns: Namespace, driver: Driver, first: Omit<PlanText, "index"> = FIRST) {
  await ns.ip("tuntap add tun-a mode tun");
  const before = await snapshot(ns);
  const [link] = await ns.json<{ ifindex: number }[]>("link show tun-a");
  const index = link!.ifindex;
  await driver.call("configure", { index, ...first });
  return { index, before };
}

async function snapshot(ns: Namespace): Promise<string> {
  const parts = await Promise.all(
    ["link", "addr", "-4 route show table all", "-6 route show table all"].map((words) =>
      ns.ip(words)
    ),
  );
  return parts.join("\n").replace(/qlen \d+|expires \S+|qdisc \S+|^multicast .*\n/gm, "");
}

/** MTU, addresses and routes of the device, without what the kernel added by itself. */
async function present(ns: Namespace): Promise<string> {
  const [link] = await ns.json<{ mtu: number }[]>("link show tun-a");
  const lists = await Promise.all(
    ["-o addr show dev tun-a", "-4 route show dev tun-a", "-6 route show dev tun-a"].map((one) =>
      ns.ip(one)
    ),
  );
  const addresses = [...lists[0]!.matchAll(/inet6? (\S+)/g)].map(([, text]) => text!);
  const routes = [...`${lists[1]}\n${lists[2]}`.matchAll(/^(\S+\/\d+) .*proto (\S+)/gm)]
    .filter(([, , by]) => by !== "kernel").map(([, text]) => text!);
  return [link!.mtu, ...addresses.filter((text) => !text.startsWith("fe80")), ...routes].join(" ");
}

/** `ip monitor route`: what happens to routes, in order. */
class RouteMonitor implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #seen = "";

  private constructor(ns: Namespace) {
    this.#child = new Deno.Command("ip", {
      args: ["-n", ns.name, "monitor", "route"],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    this.#reader = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Resolves when it has been seen to listen. */
  static async start(ns: Namespace): Promise<RouteMonitor> {
    const monitor = new RouteMonitor(ns);
    let listening = false;
    const heard = monitor.until("10.255.0.0/16").then(() => listening = true);
    for (let attempt = 0; attempt < 500 && !listening; attempt++) {
      await ns.ip("route replace 10.255.0.0/16 dev lo");
      await ns.ip("route del 10.255.0.0/16 dev lo");
    }
    await heard;
    monitor.#seen = "";
    return monitor;
  }

  /** All that was seen up to and including a line with this text. */
  async until(text: string): Promise<string> {
    while (!this.#seen.includes(text)) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`ip monitor has ended: ${this.#seen}`);
      this.#seen += value;
    }
    return this.#seen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#reader.cancel();
    await this.#child.status;
  }
}

test("device change: adds first, removes after, and undo knows what it was all about", async (ns) => {
  const driver = ns.driver();
  const { index, before } = await configured(ns, driver);
  const first = "1400 172.1.0.0/32 fd00:1::/128 172.2.0.0/16 172.3.0.0/16 fd00:2::/64";
  assertEquals(await present(ns), first);
  const next = {
    index,
    mtu_bytes: 1350,
    addresses: ["172.9.0.0/32"],
    routes: [{ prefix: "172.3.0.0/16" }, { prefix: "172.4.0.0/16" }],
  };
  await driver.call("change", next);
  assertEquals(
    await present(ns),
    "1350 172.1.0.0/32 172.9.0.0/32 fd00:1::/128 " +
      "172.2.0.0/16 172.3.0.0/16 172.4.0.0/16 fd00:2::/64",
  );
  await driver.call("prune");
  assertEquals(await present(ns), "1350 172.9.0.0/32 172.3.0.0/16 172.4.0.0/16");
  assertEquals(await driver.call("reapply"), []);
  await ns.ip("-4 route flush dev tun-a");
  assertEquals(await driver.call("reapply"), ["route 172.3.0.0/16", "route 172.4.0.0/16"]);
  await driver.call("change", { index, ...FIRST });
  await driver.call("prune");
  assertEquals(await present(ns), first);
  await driver.call("undo");
  assertEquals(await snapshot(ns), before);
});

test("device change: what stays is never away, not even for a moment", async (ns) => {
  const driver = ns.driver();
  const { index } = await configured(ns, driver);
  await using monitor = await RouteMonitor.start(ns);
  const more = { ...FIRST, routes: [...FIRST.routes, { prefix: "172.7.0.0/16" }] };
  await driver.call("change", { index, ...more });
  await driver.call("prune");
  await driver.call("change", { index, ...FIRST });
  await driver.call("prune");
  const seen = await monitor.until("Deleted 172.7.0.0/16");
  for (const { prefix } of FIRST.routes) assert(!seen.includes(prefix), seen);
});

test("device change: a device's last IPv4 address takes no route along", async (ns) => {
  const driver = ns.driver();
  const { index } = await configured(ns, driver);
  await ns.ip("route add 10.9.0.0/16 dev tun-a");
  await driver.call("change", { index, ...FIRST, addresses: ["fd00:1::/128"] });
  await driver.call("prune");
  assertEquals(
    await present(ns),
    "1400 fd00:1::/128 172.2.0.0/16 172.3.0.0/16 fd00:2::/64",
    "but 10.9.0.0/16, which ip(8) lists as proto boot, below",
  );
  assertStringIncludes(await ns.ip("route show 10.9.0.0/16"), "dev tun-a");
});

test("device change: what cannot be added changes nothing", async (ns) => {
  const driver = ns.driver();
  const { index, before } = await configured(ns, driver);
  await ns.ip("tuntap add eth-x mode tun");
  await ns.ip("link set eth-x up");
  await ns.ip("route add 172.8.0.0/16 dev eth-x");
  const earlier = await snapshot(ns);
  const next = {
    index,
    mtu_bytes: 1300,
    addresses: ["172.9.0.0/32"],
    routes: [{ prefix: "172.7.0.0/16" }, { prefix: "172.8.0.0/16" }],
  };
  assertStringIncludes(
    await driver.failure("change", next),
    "RunError: route 172.8.0.0/16 exists already (through eth-x); try: ",
  );
  assertEquals(await snapshot(ns), earlier);
  assertStringIncludes(
    await driver.failure("change", { ...next, mtu_bytes: 65_536 }),
    "cannot set the MTU of tun-a to 65536",
  );
  assertEquals(await snapshot(ns), earlier);
  assertEquals(await driver.call("reapply"), []);
  await driver.call("undo");
  await ns.ip("link del eth-x");
  assertEquals(await snapshot(ns), before);
});

test("device change: a device that is down gets its due when it is up again", async (ns) => {
  const driver = ns.driver();
  const { index } = await configured(ns, driver);
  await ns.ip("link set tun-a down");
  const next = { index, ...FIRST, routes: [{ prefix: "172.7.0.0/16" }] };
  await driver.call("change", next);
  await driver.call("prune");
  await ns.ip("link set tun-a up");
  await driver.call("reapply");
  assertEquals(await present(ns), "1400 172.1.0.0/32 fd00:1::/128 172.7.0.0/16");
});

/** Configuring a device and taking it back, in namespaces. */

import { assertEquals, assertStringIncludes } from "../assert.ts";
import type { PlanText } from "./driver.ts";
import { canMakeNamespaces, type Driver, Namespace } from "./namespace.ts";

function test(name: string, run: (ns: Namespace) => Promise<void>): void {
  Deno.test({ name, ignore: !canMakeNamespaces, fn: () => Namespace.with(run) });
}

/** A tun device in the namespace; its index. */
async function addTun(ns: Namespace, name: string): Promise<number> {
  await ns.ip(`tuntap add ${name} mode tun`);
  return (await ns.json<{ ifindex: number }[]>(`link show ${name}`))[0]!.ifindex;
}

const planFor = (index: number, change: Partial<PlanText> = {}): PlanText => ({
  index,
  mtu_bytes: 1400,
  addresses: ["172.1.0.0/32", "fd00:1::/128"],
  routes: [{ prefix: "172.0.0.0/8" }, { prefix: "fd00::/16" }],
  ...change,
});

/** All of the namespace's links, addresses and routes as text, without what changes by itself. */
async function snapshot(ns: Namespace): Promise<string> {
  const parts = await Promise.all(
    ["link", "addr", "-4 route show table all", "-6 route show table all"].map((words) =>
      ns.ip(words)
    ),
  );
  return parts.join("\n").replace(/qlen \d+|expires \S+|qdisc \S+|^multicast .*\n/gm, "");
}

/** What the device has, without what the kernel added by itself. */
async function present(driver: Driver, index: number) {
  const link = await driver.call("getLink", index);
  const addresses = await driver.call("addresses", index);
  const routes = await driver.call("routes", index);
  return {
    mtu_bytes: link?.mtu_bytes,
    up: link?.up,
    addresses: addresses.map(({ address }) => address).filter((text) => !/^fe80:/.test(text)),
    routes: routes.map(({ prefix }) => prefix).filter((text) => !/\/128$|^fe80:/.test(text)),
  };
}

const CONFIGURED = {
  mtu_bytes: 1400,
  up: true,
  addresses: ["172.1.0.0/32", "fd00:1::/128"],
  routes: ["172.0.0.0/8", "fd00::/16"],
};

test("configureDevice: gives all, and undo leaves the host as it was", async (ns) => {
  const driver = ns.driver();
  const index = await addTun(ns, "tun-a");
  const before = await snapshot(ns);
  await driver.call("configure", planFor(index));
  assertEquals(await present(driver, index), CONFIGURED);
  assertEquals((await driver.call("routeTo", "172.2.0.1"))?.source, "172.1.0.0");
  assertEquals((await driver.call("routeTo", "fd00:2::1"))?.source, "fd00:1::");
  assertEquals(await driver.call("reapply"), []);
  await driver.call("undo");
  assertEquals(await snapshot(ns), before);
  await driver.call("undo");
  assertEquals(await snapshot(ns), before);
  // And once more: nothing that was left is an obstacle.
  await driver.call("configure", planFor(index));
  assertEquals(await present(driver, index), CONFIGURED);
});

test("configureDevice: a source for the routes", async (ns) => {
  const driver = ns.driver();
  const index = await addTun(ns, "tun-a");
  await ns.ip("addr add 10.1.0.1/24 dev lo");
  await ns.ip("addr add fd99::1/64 dev lo nodad");
  const routes = [
    { prefix: "172.0.0.0/8", source: "10.1.0.1" },
    { prefix: "fd00::/16", source: "fd99::1" },
  ];
  await driver.call("configure", planFor(index, { routes }));
  assertEquals((await driver.call("routeTo", "172.2.0.1"))?.source, "10.1.0.1");
  assertEquals((await driver.call("routeTo", "fd00:2::1"))?.source, "fd99::1");
});

test("configureDevice: reapply mends what a link going down flushed", async (ns) => {
  const driver = ns.driver();
  const index = await addTun(ns, "tun-a");
  const before = await snapshot(ns);
  await driver.call("configure", planFor(index));
  await ns.ip("link set tun-a down");
  // A device that somebody switched off stays off.
  assertEquals(await driver.call("reapply"), []);
  await ns.ip("link set tun-a up");
  assertEquals(
    await driver.call("reapply"),
    ["address fd00:1::/128", "route 172.0.0.0/8", "route fd00::/16"],
  );
  assertEquals(await present(driver, index), CONFIGURED);
  await ns.ip("addr flush dev tun-a");
  await ns.ip("-4 route flush dev tun-a");
  await ns.ip("-6 route flush dev tun-a");
  assertEquals((await driver.call("reapply")).length, 4);
  assertEquals(await present(driver, index), CONFIGURED);
  assertEquals(await driver.call("reapply"), []);
  await driver.call("undo");
  assertEquals(await snapshot(ns), before);
});

test("configureDevice: what was there before is kept, also by undo", async (ns) => {
  const driver = ns.driver();
  const index = await addTun(ns, "tun-a");
  await ns.ip("link set tun-a mtu 1300 up");
  await ns.ip("addr add 172.1.0.1/16 dev tun-a");
  await ns.ip("addr add fd00:1::1/64 dev tun-a nodad");
  await ns.ip("route add 172.0.0.0/8 dev tun-a");
  await ns.ip("route add fd00::/16 dev tun-a");
  const before = await snapshot(ns);
  await driver.call("configure", planFor(index));
  const { addresses, mtu_bytes } = await present(driver, index);
  assertEquals(addresses, ["172.1.0.1/16", "fd00:1::1/64"]);
  assertEquals(mtu_bytes, 1400);
  assertEquals(await driver.call("reapply"), []);
  await driver.call("undo");
  assertEquals(await snapshot(ns), before);
});

test("configureDevice: routes that existed without an address survive undo", async (ns) => {
  const driver = ns.driver();
  const index = await addTun(ns, "tun-a");
  await ns.ip("addr add 10.1.0.1/24 dev lo");
  await ns.ip("link set tun-a up");
  await ns.ip("route add 172.0.0.0/8 dev tun-a");
  await ns.ip("route add 10.9.0.0/16 dev tun-a src 10.1.0.1 metric 7");
  await ns.ip("route add fd00::/16 dev tun-a");
  const before = await snapshot(ns);
  await driver.call("configure", planFor(index));
  assertEquals((await present(driver, index)).addresses, ["172.1.0.0/32", "fd00:1::/128"]);
  await driver.call("undo");
  assertEquals(await snapshot(ns), before);
});

test("configureDevice: IPv6 addresses survive a device that goes back to down", async (ns) => {
  const driver = ns.driver();
  const index = await addTun(ns, "tun-a");
  await ns.ip("addr add 172.1.0.1/16 dev tun-a");
  await ns.ip("addr add fd00:1::1/64 dev tun-a nodad");
  const before = await present(driver, index);
  assertEquals(before.addresses, ["172.1.0.1/16", "fd00:1::1/64"]);
  await driver.call("configure", planFor(index));
  await driver.call("undo");
  assertEquals(await present(driver, index), before);
});

test("configureDevice: another address of one IP version leaves room for the other", async (ns) => {
  const driver = ns.driver();
  const index = await addTun(ns, "tun-a");
  await ns.ip("addr add 169.254.1.1/16 dev tun-a");
  await ns.ip("addr add fd00:1::1/64 dev tun-a nodad");
  await driver.call("configure", planFor(index));
  const { addresses } = await present(driver, index);
  // A link-local address does not count.
  assertEquals(addresses, ["169.254.1.1/16", "172.1.0.0/32", "fd00:1::1/64"]);
});

test("configureDevice: a route through another device is named, and nothing stays", async (ns) => {
  const driver = ns.driver();
  const index = await addTun(ns, "tun-a");
  const other = await addTun(ns, "eth-x");
  await driver.call("setLink", other, { up: true });
  const conflicts = [
    { make: "route add 172.0.0.0/8 dev eth-x", route: "172.0.0.0/8", why: "through eth-x" },
    { make: "route add fd00::/16 dev eth-x", route: "fd00::/16", why: "through eth-x" },
    // A metric below ours takes all packets, though ours could be beside it.
    {
      make: "route add fd00::/16 dev eth-x metric 256",
      route: "fd00::/16",
      why: "through eth-x",
    },
    { make: "route add blackhole 172.0.0.0/8", route: "172.0.0.0/8", why: "of type blackhole" },
    {
      make: "-6 route add unreachable fd00::/16",
      route: "fd00::/16",
      why: "of type unreachable",
    },
  ];
  for (const { make, route, why } of conflicts) {
    await ns.ip(make);
    const before = await snapshot(ns);
    assertStringIncludes(
      await driver.failure("configure", planFor(index)),
      `RunError: route ${route} exists already (${why}); try: `,
    );
    assertEquals(await snapshot(ns), before);
    await ns.ip(make.replace(" add ", " del "));
  }
  // One that yields to ours is no conflict.
  await ns.ip("route add 172.0.0.0/8 dev eth-x metric 50");
  await ns.ip("route add fd00::/16 dev eth-x metric 2000");
  await driver.call("configure", planFor(index));
  assertEquals(await present(driver, index), CONFIGURED);
});

test("configureDevice: undo leaves what others have put in our place", async (ns) => {
  const driver = ns.driver();
  const index = await addTun(ns, "tun-a");
  await ns.ip("link set tun-a up");
  await driver.call("configure", planFor(index));
  // The kernel would remove a double of our route with another metric in its stead.
  for (const prefix of ["172.0.0.0/8", "fd00::/16"]) {
    await ns.ip(`route del ${prefix} dev tun-a`);
    await ns.ip(`route add ${prefix} dev tun-a proto static metric 5`);
  }
  await ns.ip("link set tun-a mtu 1350");
  await driver.call("undo");
  assertEquals(await present(driver, index), {
    mtu_bytes: 1350,
    up: true,
    addresses: [],
    routes: ["172.0.0.0/8", "fd00::/16"],
  });
});

test("configureDevice: a device that vanishes", async (ns) => {
  const driver = ns.driver();
  const index = await addTun(ns, "tun-a");
  const before = await snapshot(ns);
  await driver.call("configure", planFor(index));
  await ns.ip("tuntap del tun-a mode tun");
  assertEquals(await driver.call("reapply"), []);
  await driver.call("undo");
  assertEquals(before.includes("tun-a"), true);
  assertEquals((await snapshot(ns)).includes("tun-a"), false);
  assertStringIncludes(await driver.failure("configure", planFor(index)), "is gone");
});

test("configureDevice: IPv6 that is switched off names the setting", async (ns) => {
  const driver = ns.driver();
  for (const scope of ["all", "default", "tun-a"]) {
    const index = await addTun(ns, "tun-a");
    await ns.sysctl(`net.ipv6.conf.${scope}.disable_ipv6`, "1");
    if (scope === "default") {
      await ns.ip("tuntap del tun-a mode tun");
      await addTun(ns, "tun-a");
    }
    const current = (await driver.call("getLink", "tun-a"))!.index;
    const before = await snapshot(ns);
    const setting = `net.ipv6.conf.${scope}.disable_ipv6`;
    assertEquals(
      await driver.failure("configure", planFor(current)),
      "RunError: cannot give tun-a the address fd00:1::/128 " +
        `(IPv6 is switched off: ${setting} is 1); try: sysctl -w ${setting}=0`,
    );
    assertEquals(await snapshot(ns), before);
    const routeOnly = planFor(current, { addresses: ["172.1.0.0/32"] });
    assertStringIncludes(await driver.failure("configure", routeOnly), `${setting} is 1`);
    assertEquals(await snapshot(ns), before);
    // IPv4 alone has no need of it.
    await driver.call("configure", { ...routeOnly, routes: [{ prefix: "172.0.0.0/8" }] });
    await driver.call("undo");
    assertEquals(await snapshot(ns), before);
    await ns.sysctl("net.ipv6.conf.all.disable_ipv6", "0");
    await ns.sysctl("net.ipv6.conf.default.disable_ipv6", "0");
    await ns.ip("tuntap del tun-a mode tun");
    if (current !== index && scope !== "default") throw new Error("the device was made anew");
  }
});

test("configureDevice: an MTU that does not fit", async (ns) => {
  const driver = ns.driver();
  const index = await addTun(ns, "tun-a");
  const before = await snapshot(ns);
  assertStringIncludes(
    await driver.failure("configure", planFor(index, { mtu_bytes: 65536 })),
    "RunError: cannot set the MTU of tun-a to 65536 (mtu greater than device maximum)",
  );
  assertEquals(await snapshot(ns), before);
  assertEquals(
    await driver.failure("configure", planFor(index, { mtu_bytes: 1279 })),
    "RunError: cannot give tun-a the address fd00:1::/128 " +
      "(IPv6 needs an MTU of 1280 and the device has 1279); try: mtu: 1280 or more",
  );
  assertEquals(await snapshot(ns), before);
  // Below IPv6's least the kernel flushes its addresses; undo puts them back.
  await ns.ip("addr add fd00:1::1/64 dev tun-a nodad");
  const ipv4 = { addresses: ["172.1.0.0/32"], routes: [{ prefix: "172.0.0.0/8" }] };
  await driver.call("configure", planFor(index, { mtu_bytes: 1000, ...ipv4 }));
  assertEquals((await present(driver, index)).addresses, ["172.1.0.0/32"]);
  await driver.call("undo");
  assertEquals(await present(driver, index), {
    mtu_bytes: 1500,
    up: false,
    addresses: ["fd00:1::1/64"],
    routes: [],
  });
});

test("configureDevice: without CAP_NET_ADMIN", async (ns) => {
  const index = await addTun(ns, "tun-a");
  const wrap = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"];
  assertEquals(
    await ns.driver(undefined, wrap).failure("configure", planFor(index)),
    "RunError: cannot set the MTU of tun-a to 1400 (it needs root or CAP_NET_ADMIN); try: sudo",
  );
});

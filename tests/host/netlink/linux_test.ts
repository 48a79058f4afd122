/** Rtnetlink against a real kernel, in namespaces; ip(8) is the oracle. */

import { assert, assertEquals, assertStringIncludes } from "../../assert.ts";
import { canMakeNamespaces, type Driver, Namespace } from "../namespace.ts";

interface IpLink {
  readonly link_type: string;
  ifindex: number;
  ifname: string;
  mtu: number;
  flags: string[];
  master?: string;
  linkinfo?: { info_kind?: string };
  addr_info: { local: string; prefixlen: number; scope: string; nodad?: boolean }[];
}

interface IpRoute {
  type?: string;
  dst: string;
  dev?: string;
  protocol: string;
  scope?: string;
  metric?: number;
  prefsrc?: string;
}

function test(name: string, run: (ns: Namespace) => Promise<void>): void {
  Deno.test({ name, ignore: !canMakeNamespaces, fn: () => Namespace.with(run) });
}

/** A tun device in the namespace; its index. */
async function addTun(ns: Namespace, name: string): Promise<number> {
  await ns.ip(`tuntap add ${name} mode tun`);
  return (await ns.json<IpLink[]>(`link show ${name}`))[0]!.ifindex;
}

/** What ip(8) shows of the main table's routes through a device, as the driver shows them. */
async function ipRoutes(ns: Namespace, version: 4 | 6, device: string) {
  const bits = version === 4 ? 32 : 128;
  const zero = version === 4 ? "0.0.0.0/0" : "::/0";
  const routes = await ns.json<IpRoute[]>(`-${version} -d route show table main dev ${device}`);
  return routes.map(({ dst, metric }) => ({
    prefix: dst === "default" ? zero : dst.includes("/") ? dst : `${dst}/${bits}`,
    metric: metric ?? 0,
  }));
}

test("rtnetlink: links are found by name and index as ip shows them", async (ns) => {
  const driver = ns.driver();
  await addTun(ns, "tun-a");
  await ns.ip("link add br-a mtu 1400 type bridge");
  await ns.ip("link add veth-a type veth peer name veth-b");
  await ns.ip("link set br-a up");
  await ns.ip("link set veth-a master br-a");
  const all = await ns.json<IpLink[]>("-d link");
  const indexOf = (name?: string) => all.find(({ ifname }) => ifname === name)?.ifindex ?? 0;
  for (const { ifindex, ifname, mtu, flags, linkinfo, master, link_type } of all) {
    const link = {
      index: ifindex,
      name: ifname,
      mtu_bytes: mtu,
      up: flags.includes("UP"),
      master: indexOf(master),
      ethernet: link_type === "ether",
      ...(linkinfo?.info_kind ? { kind: linkinfo.info_kind } : {}),
    };
    assertEquals(await driver.call("getLink", ifname), link);
    assertEquals(await driver.call("getLink", ifindex), link);
  }
  for (const none of ["nope", "", "a-name-that-is-much-too-long", 9999, 0, -1]) {
    assertEquals(await driver.call("getLink", none), null);
  }
});

test("rtnetlink: MTU and state", async (ns) => {
  const driver = ns.driver();
  const index = await addTun(ns, "tun-a");
  const shown = async () => {
    const [link] = await ns.json<IpLink[]>("link show tun-a");
    return { mtu_bytes: link!.mtu, up: link!.flags.includes("UP") };
  };
  await driver.call("setLink", index, { mtu_bytes: 1400, up: true });
  assertEquals(await shown(), { mtu_bytes: 1400, up: true });
  await driver.call("setLink", index, { mtu_bytes: 65535 });
  assertEquals(await shown(), { mtu_bytes: 65535, up: true });
  await driver.call("setLink", index, { up: false });
  assertEquals(await shown(), { mtu_bytes: 65535, up: false });
  await driver.call("setLink", index, {});
  assertEquals(await shown(), { mtu_bytes: 65535, up: false });
  assertEquals(await driver.failure("setLink", index, { mtu_bytes: 65536 }), "EINVAL");
  assertEquals(await driver.failure("setLink", 9999, { up: true }), "ENODEV");
});

test("rtnetlink: addresses of both versions", async (ns) => {
  const driver = ns.driver();
  const index = await addTun(ns, "tun-a");
  await driver.call("setLink", index, { up: true });
  for (const address of ["172.1.0.0/32", "10.1.2.3/24", "fd00::1/64", "fd00:1::/128"]) {
    await driver.call("addAddress", index, address);
    assertEquals(await driver.failure("addAddress", index, address), "EEXIST");
  }
  const shown = await ns.json<IpLink[]>("addr");
  const everything = shown.flatMap(({ ifindex, addr_info }) =>
    addr_info.map(({ local, prefixlen }) => ({ index: ifindex, address: `${local}/${prefixlen}` }))
  );
  const sorted = (list: readonly { address: string }[]) =>
    [...list].sort((a, b) => a.address < b.address ? -1 : 1);
  assertEquals(sorted(await driver.call("addresses")), sorted(everything));
  const own = everything.filter((entry) => entry.index === index);
  assertEquals(sorted(await driver.call("addresses", index)), sorted(own));
  assertEquals(own.length, 4);
  // No duplicate detection, so usable at once.
  const info = shown.find(({ ifindex }) => ifindex === index)!.addr_info;
  assert(info.filter(({ local }) => local.startsWith("fd00")).every(({ nodad }) => nodad));

  assertEquals(await driver.call("addresses", 9999), []);
  for (const { address } of own) {
    await driver.call("removeAddress", index, address);
    assertEquals(await driver.failure("removeAddress", index, address), "EADDRNOTAVAIL");
  }
  assertEquals(await driver.call("addresses", index), []);
  assertEquals(await driver.failure("addAddress", 9999, "10.0.0.1/32"), "ENODEV");
});

test("rtnetlink: routes of both versions", async (ns) => {
  const driver = ns.driver();
  const index = await addTun(ns, "tun-a");
  const other = await addTun(ns, "tun-b");
  const refused = { prefix: "172.0.0.0/8", index };
  assertEquals(await driver.failure("addRoute", refused), "ENETDOWN");
  for (const device of [index, other]) await driver.call("setLink", device, { up: true });
  await driver.call("addAddress", index, "172.1.0.0/32");
  await driver.call("addAddress", index, "fd00:1::/128");

  const routes = [
    { prefix: "172.0.0.0/8", index },
    { prefix: "10.9.0.0/16", index, source: "172.1.0.0", metric: 7 },
    { prefix: "10.10.10.10/32", index },
    { prefix: "0.0.0.0/0", index },
    { prefix: "fd00::/16", index },
    { prefix: "fd01::/32", index, source: "fd00:1::", metric: 99 },
    { prefix: "fd02::1/128", index },
    { prefix: "::/0", index },
  ];
  for (const route of routes) {
    await driver.call("addRoute", route);
    assertEquals(await driver.failure("addRoute", route), "EEXIST");
    // The destination is taken whatever the device.
    const elsewhere = { prefix: route.prefix, metric: route.metric ?? 0, index: other };
    assertEquals(await driver.failure("addRoute", elsewhere), "EEXIST");
  }

  const sorted = (list: readonly { prefix: string; metric: number }[]) =>
    list.map(({ prefix, metric }) => `${prefix} ${metric}`).sort();
  const present = await driver.call("routes", index);
  const shown = [...await ipRoutes(ns, 4, "tun-a"), ...await ipRoutes(ns, 6, "tun-a")];
  assertEquals(sorted(present), sorted(shown));
  assert(present.every((route) => route.index === index && route.kind === "unicast"));
  assertEquals(await driver.call("routes", 9999), []);

  const [shownRoute] = await ns.json<IpRoute[]>("-N -d route show 10.9.0.0/16");
  const { protocol, scope, metric, prefsrc } = shownRoute!;
  assertEquals({ protocol, scope, metric, prefsrc }, {
    protocol: "4",
    scope: "253",
    metric: 7,
    prefsrc: "172.1.0.0",
  });

  for (const route of routes) {
    await driver.call("removeRoute", route);
    assertEquals(await driver.failure("removeRoute", route), "ESRCH");
  }
  const left = await driver.call("routes", index);
  assertEquals(left.map(({ prefix }) => prefix), ["fd00:1::/128"]);
});

test("rtnetlink: a route is removed with its own metric and device only", async (ns) => {
  const driver = ns.driver();
  const index = await addTun(ns, "tun-a");
  const other = await addTun(ns, "tun-b");
  for (const device of [index, other]) await driver.call("setLink", device, { up: true });
  await ns.ip("route add 172.0.0.0/8 dev tun-a metric 5 proto static scope link");
  await ns.ip("route add fd00::/16 dev tun-a metric 5 proto static");
  for (const prefix of ["172.0.0.0/8", "fd00::/16"]) {
    assertEquals(await driver.failure("removeRoute", { prefix, index: other, metric: 5 }), "ESRCH");
    assertEquals(await driver.failure("removeRoute", { prefix, index, metric: 6 }), "ESRCH");
  }
  assertEquals((await driver.call("routes", index)).length, 2);
});

test("rtnetlink: routes with exactly a destination, whatever they lead to", async (ns) => {
  const driver = ns.driver();
  const a = await addTun(ns, "tun-a");
  const b = await addTun(ns, "tun-b");
  for (const index of [a, b]) await driver.call("setLink", index, { up: true });
  await ns.ip("route add 172.0.0.0/8 dev tun-a");
  await ns.ip("route add 172.0.0.0/8 dev tun-b metric 10");
  await ns.ip("route add blackhole 172.0.0.0/8 metric 20");
  await ns.ip("route add 172.0.0.0/9 dev tun-a");
  await ns.ip("route add 172.0.0.0/8 dev tun-a table 100");
  await ns.ip("route add 10.0.0.0/8 nexthop dev tun-a nexthop dev tun-b");
  await ns.ip("route add fd00::/16 dev tun-a");
  await ns.ip("route add prohibit fd00::/16 metric 2000");
  assertEquals(await driver.call("routesTo", "172.0.0.0/8"), [
    { prefix: "172.0.0.0/8", index: a, metric: 0, kind: "unicast" },
    { prefix: "172.0.0.0/8", index: b, metric: 10, kind: "unicast" },
    { prefix: "172.0.0.0/8", index: 0, metric: 20, kind: "blackhole" },
  ]);
  assertEquals(
    (await driver.call("routesTo", "10.0.0.0/8")).map(({ index }) => index),
    [a, b],
  );
  assertEquals(
    (await driver.call("routesTo", "fd00::/16")).map(({ metric, kind }) => ({ metric, kind })),
    [{ metric: 1024, kind: "unicast" }, { metric: 2000, kind: "prohibit" }],
  );
  assertEquals(await driver.call("routesTo", "172.0.0.0/10"), []);
});

test("rtnetlink: where a packet would go, and how large it may be", async (ns) => {
  const driver = ns.driver();
  const index = await addTun(ns, "tun-a");
  await driver.call("setLink", index, { up: true, mtu_bytes: 1400 });
  assertEquals(await driver.call("routeTo", "192.0.2.1"), null);
  assertEquals(await driver.call("routeTo", "2001:db8::1"), null);
  assertEquals(await driver.call("pathMtu", "192.0.2.1"), null);
  assertEquals(await driver.call("pathMtu", "127.0.0.1"), 65536);
  await driver.call("addAddress", index, "172.1.0.0/32");
  await driver.call("addAddress", index, "fd00:1::/128");
  await ns.ip("route add 172.0.0.0/8 dev tun-a");
  await ns.ip("route add 10.0.0.0/8 dev tun-a mtu 1300");
  await ns.ip("route add fd00::/16 dev tun-a");
  await ns.ip("route add fd01::/16 dev tun-a mtu 1290");
  const cases = [
    { to: "172.2.0.1", source: "172.1.0.0", own: null, mtu_bytes: 1400 },
    { to: "10.2.0.1", source: "172.1.0.0", own: 1300, mtu_bytes: 1300 },
    { to: "fd00:2::1", source: "fd00:1::", own: null, mtu_bytes: 1400 },
    { to: "fd01::1", source: "fd00:1::", own: 1290, mtu_bytes: 1290 },
  ];
  for (const { to, source, own, mtu_bytes } of cases) {
    assertEquals(await driver.call("routeTo", to), { index, source, mtu_bytes: own });
    assertEquals(await driver.call("pathMtu", to), mtu_bytes);
    assertEquals(await driver.call("underlayMtu", to), mtu_bytes);
  }
  assertEquals((await driver.call("routeTo", "192.0.2.1", index))?.index, index);
  assertEquals(await driver.call("routeTo", "2001:db8::1", index), null);
  assertEquals(await driver.call("routeTo", "192.0.2.1", 9999), null);
  for (const kind of ["blackhole", "unreachable", "prohibit", "throw"]) {
    await ns.ip(`route add ${kind} 192.0.2.0/24`);
    await ns.ip(`-6 route add ${kind} 2001:db8::/32`);
    assertEquals(await driver.call("routeTo", "192.0.2.1"), null);
    assertEquals(await driver.call("routeTo", "2001:db8::1"), null);
    await ns.ip(`route del ${kind} 192.0.2.0/24`);
    await ns.ip(`-6 route del ${kind} 2001:db8::/32`);
  }
});

test("rtnetlink: the devices of all next hops; lo for what is this host's", async (ns) => {
  const driver = ns.driver();
  const indexes: number[] = [];
  await ns.ip("link add veth-a type veth peer name veth-b");
  for (const name of ["veth-a", "veth-b"]) {
    const index = (await ns.json<IpLink[]>(`link show ${name}`))[0]!.ifindex;
    await driver.call("setLink", index, { up: true });
    indexes.push(index);
  }
  const [a, b] = indexes;
  await ns.ip("link set lo up");
  await driver.call("addAddress", a!, "172.1.0.1/32");
  await driver.call("addAddress", a!, "fd00:1::1/128");
  await ns.ip("route add 10.1.0.0/16 dev veth-a");
  await ns.ip("route add 10.2.0.0/16 nexthop dev veth-a nexthop dev veth-b");
  await ns.ip("route add blackhole 10.3.0.0/16");
  await ns.ip("-6 route add fd01::/16 dev veth-b");
  await ns.ip(
    "-6 route add fd02::/16 nexthop via fe80::1 dev veth-a nexthop via fe80::1 dev veth-b",
  );
  await ns.ip("-6 route add unreachable fd03::/16");
  await ns.ip("nexthop add id 1 dev veth-a");
  await ns.ip("nexthop add id 2 dev veth-b");
  await ns.ip("nexthop add id 3 group 1/2");
  await ns.ip("route add 10.4.0.0/16 nhid 3");
  const cases: readonly (readonly [to: string, expected: readonly number[]])[] = [
    ["10.1.0.1", [a!]],
    ["10.2.0.1", [a!, b!]],
    ["10.4.0.1", [a!, b!]],
    ["fd01::1", [b!]],
    ["fd02::1", [a!, b!]],
    ["172.1.0.1", [1]],
    ["fd00:1::1", [1]],
    ["127.0.0.1", [1]],
    ["10.3.0.1", []],
    ["fd03::1", []],
    ["192.0.2.1", []],
    ["2001:db8::1", []],
  ];
  for (const [to, expected] of cases) {
    assertEquals(new Set(await driver.call("interfacesTo", to)), new Set(expected), to);
  }
});

/** Some thousand routes of each version, which take many datagrams. */
async function manyRoutes(ns: Namespace, device: string, count: number): Promise<void> {
  const lines = Array.from({ length: count }, (_, i) => [
    `route add 10.${i >> 8}.${i & 255}.0/24 dev ${device}`,
    `route add fd00:${i.toString(16)}::/32 dev ${device}`,
  ]);
  await ns.batch(lines.flat());
}

test("rtnetlink: large tables, and only what was asked for", async (ns) => {
  const driver = ns.driver();
  const index = await addTun(ns, "tun-a");
  const other = await addTun(ns, "tun-b");
  for (const device of [index, other]) await driver.call("setLink", device, { up: true });
  await manyRoutes(ns, "tun-a", 3000);
  await ns.ip("route add 172.0.0.0/8 dev tun-b");
  const routes = await driver.call("routes", index);
  assertEquals(new Set(routes.map(({ prefix }) => prefix)).size, 6000);
  assertEquals((await driver.call("routes", other)).length, 1);
  assertEquals((await driver.call("routes")).length, 6001);
  assertEquals((await driver.call("routesTo", "10.11.183.0/24")).length, 1);
  assertEquals((await driver.call("routesTo", "fd00:bb7::/32")).length, 1);
});

test("rtnetlink: a buffer that is too small grows", async (ns) => {
  const index = await addTun(ns, "tun-a");
  await ns.ip("link set tun-a up");
  await manyRoutes(ns, "tun-a", 500);
  for (const buffer_bytes of [1, 64, 1000]) {
    const driver = ns.driver(buffer_bytes);
    assertEquals((await driver.call("getLink", "tun-a"))?.index, index);
    assertEquals((await driver.call("routes", index)).length, 1000);
    assertEquals(await driver.failure("addRoute", { prefix: "10.0.0.0/24", index }), "EEXIST");
  }
});

test("rtnetlink: a table that changes while it is read", async (ns) => {
  const driver = ns.driver();
  const index = await addTun(ns, "tun-a");
  await driver.call("setLink", index, { up: true });
  const kept = 2000;
  await ns.batch(
    Array.from({ length: kept }, (_, i) => `addr add 10.0.${i >> 8}.${i & 255}/32 dev tun-a`),
  );
  const changes = Array.from({ length: 3000 }, (_, i) => [
    `addr add 192.168.${i >> 8}.${i & 255}/32 dev tun-a`,
    `addr del 192.168.${i >> 8}.${i & 255}/32 dev tun-a`,
  ]).flat();
  const [fewest] = await Promise.all([
    driver.call("fewestAddresses", index, 100).catch((error: Error) => error.message),
    ns.batch(changes),
  ]);
  // Either each read is whole, or it says that it could not be.
  if (typeof fewest === "string") assertStringIncludes(fewest, "keeps changing");
  else assertEquals(fewest, kept);
});

test("rtnetlink: the socket is closed, and no child inherits it", async (ns) => {
  const driver = ns.driver();
  const before = await driver.call("descriptors", 0);
  assertEquals(await driver.call("descriptors", 100), before);
  assertEquals(await driver.call("inherited"), false);
  await driver.call("close");
  await driver.call("close");
  assertEquals(await driver.failure("getLink", "lo"), "EBADF");
});

async function assertRefused(driver: Driver, index: number): Promise<void> {
  assertEquals((await driver.call("getLink", index))?.index, index);
  assertEquals(await driver.failure("setLink", index, { up: true }), "EPERM");
  assertEquals(await driver.failure("addAddress", index, "10.0.0.1/32"), "EPERM");
  assertEquals(await driver.failure("addRoute", { prefix: "10.0.0.0/8", index }), "EPERM");
}

test("rtnetlink: without CAP_NET_ADMIN all can be read and nothing changed", async (ns) => {
  const index = await addTun(ns, "tun-a");
  const wrap = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"];
  await assertRefused(ns.driver(undefined, wrap), index);
});

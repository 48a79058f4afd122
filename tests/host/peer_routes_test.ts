/** The choice of host routes against tables written as text. */

import { assertEquals } from "../assert.ts";
import { RTPROT_TUNNET } from "../../ffi/netlink.ts";
import { libc } from "../../ffi/libc.ts";
import { openPinnedRtnetlink } from "../../src/host/netlink/linux.ts";
import { PeerRoutes, peerRoutes } from "../../src/host/peer_routes.ts";
import { inNewNetns, ownNetns } from "../../src/host/private_netns.ts";
import { canMakeNamespaces } from "./namespace.ts";
import type { RouteInfo } from "../../src/host/netlink/rtnetlink.ts";
import { formatAddress, formatPrefix, parseAddress, parsePrefix } from "../../src/net/prefix.ts";

const TUNNET0 = 9;

/** `PREFIX [via GATEWAY] dev INDEX [metric N] [proto N] [mtu N] [onlink] [KIND]` of a table. */
function route(text: string): RouteInfo {
  const words = text.split(" ");
  const after = (word: string) => words.includes(word) ? words[words.indexOf(word) + 1] : undefined;
  const gateway = after("via");
  return {
    prefix: parsePrefix(words[0]!)!.prefix,
    index: Number(after("dev") ?? 0),
    metric: Number(after("metric") ?? 0),
    kind: words.includes("blackhole") ? "blackhole" : "unicast",
    source: undefined,
    protocol: Number(after("proto") ?? 3),
    ...(gateway ? { gateway: parseAddress(gateway)! } : {}),
    ...(words.includes("onlink") ? { onlink: true } : {}),
    ...(words.includes("mtu") ? { mtu_bytes: Number(after("mtu")) } : {}),
  };
}

/** What is called for, as text. */
function chosen(table: readonly string[], taken: string, addresses: string): readonly string[] {
  return peerRoutes(table.map(route), {
    index: TUNNET0,
    taken: taken.split(", ").map((text) => parsePrefix(text)!.prefix),
    addresses: addresses.split(", ").map((text) => parseAddress(text)!),
  }).map(({ prefix, gateway, index, kind, mtu_bytes, onlink, protocol, others = [] }) => {
    assertEquals(protocol, RTPROT_TUNNET);
    if (kind === "unreachable") return `${formatPrefix(prefix)} unreachable`;
    return [
      formatPrefix(prefix),
      ...(gateway ? [`via ${formatAddress(gateway.bytes)}`] : []),
      `dev ${index}`,
      ...(mtu_bytes ? [`mtu ${mtu_bytes}`] : []),
      ...(onlink ? ["onlink"] : []),
      ...others.map((one) => `and ${formatAddress(one.gateway!.bytes)} dev ${one.index}`),
    ].join(" ");
  });
}

const TABLE = [
  "0.0.0.0/0 via 10.0.1.1 dev 2 metric 100",
  "10.0.1.0/24 dev 2",
  `10.0.0.0/8 dev ${TUNNET0}`,
];

const CASES: readonly [
  name: string,
  table: readonly string[],
  taken: string,
  addresses: string,
  expected: readonly string[],
][] = [
  ["an address outside", TABLE, "10.0.0.0/8", "192.0.2.7", []],
  ["a longer route leads there by itself", TABLE, "10.0.0.0/8", "10.0.1.7", []],
  ["behind a router", TABLE, "10.0.0.0/8", "10.0.2.5", ["10.0.2.5/32 via 10.0.1.1 dev 2"]],
  ["two nodes at one address", TABLE, "10.0.0.0/8", "10.0.2.5, 10.0.2.5", [
    "10.0.2.5/32 via 10.0.1.1 dev 2",
  ]],
  [
    "a neighbour in a network wider than what is taken",
    ["10.0.0.0/8 dev 2"],
    "10.0.0.0/16",
    "10.0.2.5",
    [
      "10.0.2.5/32 dev 2",
    ],
  ],
  [
    "the longer of two, and of these the lower metric",
    [
      "0.0.0.0/0 via 10.0.1.1 dev 2",
      "10.0.0.0/9 via 10.0.1.2 dev 2 metric 20",
      "10.0.0.0/9 via 10.0.1.3 dev 3 metric 10",
    ],
    "10.0.0.0/12",
    "10.0.2.5",
    ["10.0.2.5/32 via 10.0.1.3 dev 3"],
  ],
  [
    "the longest of what is taken counts",
    ["10.0.0.0/12 via 10.0.1.1 dev 2"],
    "10.0.0.0/8, 10.0.2.0/24",
    "10.0.2.5",
    [
      "10.0.2.5/32 via 10.0.1.1 dev 2",
    ],
  ],
  [
    "a gateway on the link, and a route's own MTU",
    [
      "0.0.0.0/0 via 172.31.1.1 dev 2 mtu 1400 onlink",
    ],
    "10.0.0.0/8",
    "10.0.2.5",
    ["10.0.2.5/32 via 172.31.1.1 dev 2 mtu 1400 onlink"],
  ],
  ["a router of the other IP version", ["0.0.0.0/0 via fe80::1 dev 2"], "10.0.0.0/8", "10.0.2.5", [
    "10.0.2.5/32 via fe80::1 dev 2",
  ]],
  ["IPv6", ["::/0 via fe80::1 dev 2 metric 1024"], "fd00::/16", "fd00:2::5", [
    "fd00:2::5/128 via fe80::1 dev 2",
  ]],
  [
    "what a killed process left counts for nothing",
    [
      "0.0.0.0/0 via 10.0.1.9 dev 3",
      `10.0.2.5/32 via 10.0.1.1 dev 2 proto ${RTPROT_TUNNET}`,
    ],
    "10.0.0.0/8",
    "10.0.2.5",
    ["10.0.2.5/32 via 10.0.1.9 dev 3"],
  ],
  [
    "somebody's own host route stays",
    ["10.0.2.5/32 via 10.0.1.1 dev 2"],
    "10.0.0.0/8",
    "10.0.2.5",
    [],
  ],
  [
    "several next hops",
    [
      "0.0.0.0/0 via 10.0.1.1 dev 2 metric 100",
      "0.0.0.0/0 via 10.0.2.1 dev 3 metric 100",
      "0.0.0.0/0 via 10.0.3.1 dev 4 metric 200",
    ],
    "10.0.0.0/8",
    "10.0.9.5",
    ["10.0.9.5/32 via 10.0.1.1 dev 2 and 10.0.2.1 dev 3"],
  ],
  ["no way but the device", [`10.0.0.0/8 dev ${TUNNET0}`], "10.0.0.0/8", "10.0.2.5", [
    "10.0.2.5/32 unreachable",
  ]],
  ["the other routes swallow it", ["0.0.0.0/0 blackhole"], "10.0.0.0/8", "10.0.2.5", [
    "10.0.2.5/32 unreachable",
  ]],
];

for (const [name, table, taken, addresses, expected] of CASES) {
  Deno.test(`peer routes: ${name}`, () => {
    assertEquals(chosen(table, taken, addresses), expected);
  });
}

for (const version of [4, 6] as const) {
  Deno.test({
    name: `peer routes: all next hops of a route, followed as they change, over IPv${version}`,
    ignore: !canMakeNamespaces,
    fn() {
      const machine = ownNetns();
      const rt = inNewNetns(machine, openPinnedRtnetlink);
      try {
        const at = (n: number, host: number) =>
          parseAddress(version === 4 ? `10.0.${n}.${host}` : `fd00:${n}::${host}`)!;
        const bits = version === 4 ? 24 : 64;
        const [one, two] = [1, 2].map((n) => {
          rt.addBridge(`br${n}`);
          const { index } = rt.getLink(`br${n}`)!;
          rt.setLink(index, { up: true });
          rt.addAddress(index, at(n, 9), bits);
          return { index, gateway: at(n, 1) };
        });
        const everything = { version, bytes: new Uint8Array(version === 4 ? 4 : 16) };
        const base = { prefix: { ...everything, length_bits: 0 } };
        const both = { ...base, ...one!, others: [two!] };
        rt.addRoute(both);
        const routes = new PeerRoutes(rt);
        const taken = parsePrefix(version === 4 ? "10.0.0.0/8" : "fd00::/16")!.prefix;
        const plan = { index: TUNNET0, taken: [taken], addresses: [at(7, 5)] };
        const name = formatAddress(at(7, 5).bytes);
        const [gateway1, gateway2] = [one!, two!].map(({ gateway }) =>
          formatAddress(gateway.bytes)
        );
        const ways = () => routes.keep(plan).ways;
        assertEquals(ways(), [`${name} by ${gateway1} on br1 and by ${gateway2} on br2`]);
        const host = { ...plan.addresses[0]!, length_bits: version === 4 ? 32 : 128 };
        const interfaces = () => rt.interfacesTo(host).toSorted();
        assertEquals(interfaces(), [one!.index, two!.index]);
        assertEquals(ways(), [], "it is as it should be");
        rt.removeRoute(both);
        rt.addRoute({ ...base, ...two! });
        assertEquals(ways(), [`${name} by ${gateway2} on br2`]);
        assertEquals(interfaces(), [two!.index]);
        rt.removeRoute({ ...base, ...two! });
        rt.addRoute(both);
        assertEquals(ways().length, 1);
        // As a process that was killed has left them, of a config that is another now.
        const next = new PeerRoutes(rt);
        const other = { ...plan, addresses: [at(8, 5)] };
        assertEquals(next.keep(other).ways.length, 1);
        assertEquals(rt.routesBy(RTPROT_TUNNET).length, 4, "two next hops each");
        rt.addRoute({ prefix: { ...at(9, 0), length_bits: bits }, index: one!.index });
        next.clearLeft();
        assertEquals(rt.routesTo(host), []);
        assertEquals(rt.routesBy(RTPROT_TUNNET).length, 2);
        assertEquals(next.keep(other).ways, []);
        next.undo();
        assertEquals(rt.routesBy(RTPROT_TUNNET), []);
        assertEquals(rt.routesTo({ ...at(9, 0), length_bits: bits }).length, 1);
        routes.undo();
        assertEquals(rt.routesTo(host), []);
      } finally {
        rt.close();
        libc().call.close(machine);
      }
    },
  });
}

/** The choice of host routes against tables written as text. */

import { assertEquals } from "../assert.ts";
import { RTPROT_TUNNET } from "../../ffi/netlink.ts";
import { peerRoutes } from "../../src/host/peer_routes.ts";
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
  }).map(({ prefix, gateway, index, kind, mtu_bytes, onlink, protocol }) => {
    assertEquals(protocol, RTPROT_TUNNET);
    if (kind === "unreachable") return `${formatPrefix(prefix)} unreachable`;
    return [
      formatPrefix(prefix),
      ...(gateway ? [`via ${formatAddress(gateway.bytes)}`] : []),
      `dev ${index}`,
      ...(mtu_bytes ? [`mtu ${mtu_bytes}`] : []),
      ...(onlink ? ["onlink"] : []),
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

import { type Hook, type Packet, verdicts } from "../../../../src/tools/doctor/firewall/model.ts";
import { parseNft } from "../../../../src/tools/doctor/firewall/nft.ts";
import { assert, assertEquals } from "../../../assert.ts";
import { fuzzMultiplier, random } from "../../../fuzz/random.ts";
import { packet } from "./packets.ts";

const table = (family: string, name: string) => ({ table: { family, name, handle: 1 } });
const place = { family: "inet", table: "host" };

/** A ruleset of one chain in a table of family inet. */
function ruleset(exprs: readonly unknown[], policy = "accept", extra: readonly unknown[] = []) {
  return JSON.stringify({
    nftables: [
      { metainfo: { version: "1.0.6", json_schema_version: 1 } },
      table("inet", "host"),
      ...extra,
      {
        chain: {
          ...place,
          name: "fwd",
          handle: 1,
          type: "filter",
          hook: "forward",
          prio: 0,
          policy,
        },
      },
      ...exprs.map((expr, i) => ({ rule: { ...place, chain: "fwd", handle: 2 + i, expr } })),
    ],
  });
}

function judge(text: string, one: Packet, hook: Hook = "forward"): string {
  const chains = parseNft(text, new Set())!;
  const found = verdicts({ chains, tools: ["iptables", "nft"], unread: [] }, hook, "filter", one);
  return found.map(({ kind, text, certain }) => `${kind}${certain ? "" : "?"} by ${text}`).join();
}

const match = (left: unknown, right: unknown, op = "==") => ({ match: { op, left, right } });
const meta = (key: string) => ({ meta: { key } });
const field = (protocol: string, name: string) => ({ payload: { protocol, field: name } });
const DROP = { drop: null };
const v6 = packet({ version: 6, source: "fd00:2::2", destination: "fd00:1::2" });
const udp = packet({ protocol: "udp", destinationPort: 3009 });
const icmp = packet({ protocol: "icmp" });
const HIT = "drop by rule handle 2";
const MISS = "accept by the policy ACCEPT";
const UNSURE = "accept? by the policy ACCEPT";

const ip4 = field("ip", "saddr");
const prefix = (addr: string, len: number) => ({ prefix: { addr, len } });

/** Conditions of a rule that drops, as nft prints them. */
const MATCHES:
  readonly (readonly [name: string, expr: unknown, packet: Packet, verdict: string])[] = [
    ["no condition", { counter: { packets: 0, bytes: 0 } }, packet(), HIT],
    ["iifname", match(meta("iifname"), "tunnet0"), packet(), HIT],
    ["iifname with a wildcard", match(meta("iifname"), "tun*"), packet(), HIT],
    ["iifname of another", match(meta("iifname"), "eth0"), packet(), MISS],
    ["oifname not", match(meta("oifname"), "br0", "!="), packet(), MISS],
    ["oif in a set", match(meta("oif"), { set: ["lo", "br0"] }), packet(), HIT],
    ["saddr", match(ip4, "172.2.0.2"), packet(), HIT],
    ["saddr in a prefix", match(ip4, prefix("172.2.0.0", 16)), packet(), HIT],
    ["saddr not in a prefix", match(ip4, prefix("172.3.0.0", 16), "!="), packet(), HIT],
    ["saddr in a range", match(ip4, { range: ["172.2.0.1", "172.2.0.9"] }), packet(), HIT],
    ["saddr beside a range", match(ip4, { range: ["172.2.0.3", "172.2.0.9"] }), packet(), MISS],
    [
      "saddr in a set",
      match(ip4, { set: ["10.0.0.1", prefix("172.0.0.0", 8)] }),
      packet(),
      HIT,
    ],
    ["an IPv4 address, asked of IPv6", match(ip4, prefix("0.0.0.0", 0)), v6, MISS],
    ["ip6 daddr", match(field("ip6", "daddr"), prefix("fd00:1::", 64)), v6, HIT],
    ["nfproto", match(meta("nfproto"), "ipv6"), v6, HIT],
    ["nfproto of the other", match(meta("nfproto"), "ipv6"), packet(), MISS],
    ["l4proto", match(meta("l4proto"), { set: ["icmp", "udp"] }), udp, HIT],
    ["ip protocol", match(field("ip", "protocol"), "icmp"), icmp, HIT],
    ["udp dport", match(field("udp", "dport"), 3009), udp, HIT],
    ["udp dport, asked of TCP", match(field("udp", "dport"), 80), packet(), MISS],
    ["th dport in a range", match(field("th", "dport"), { range: [79, 81] }), packet(), HIT],
    ["tcp dport in a set", match(field("tcp", "dport"), { set: [22, 80] }), packet(), HIT],
    ["tcp dport of ICMP", match(field("tcp", "dport"), 80), icmp, MISS],
    [
      "ct state of old flows",
      match({ ct: { key: "state" } }, ["established", "related"], "in"),
      packet(),
      MISS,
    ],
    ["ct state new", match({ ct: { key: "state" } }, "new", "in"), packet(), HIT],
    [
      "fib daddr type local",
      match({ fib: { result: "type", flags: ["daddr"] } }, "local"),
      packet(),
      MISS,
    ],
    ["mark", match(meta("mark"), 1), packet(), MISS],
    ["a set by name", match(ip4, "@pods"), packet(), HIT],
    ["a set by name that is not there", match(ip4, "@gone"), packet(), UNSURE],
    ["what nobody knows", match({ meta: { key: "cgroup" } }, 5), packet(), UNSURE],
    ["iptables' own", { xt: { type: "match", name: "physdev" } }, packet(), UNSURE],
    ["a rate", { limit: { rate: 5, per: "second" } }, packet(), UNSURE],
  ];

for (const [name, expr, one, verdict] of MATCHES) {
  Deno.test(`nft: ${name}, ${one.protocol} of IPv${one.version}: ${verdict}`, () => {
    const sets = [{
      set: { ...place, name: "pods", type: "ipv4_addr", elem: [prefix("172.2.0.0", 16)] },
    }];
    assertEquals(judge(ruleset([[expr, DROP]], "accept", sets), one), verdict);
  });
}

Deno.test("nft: a verdict map is a rule for each entry", () => {
  const map = {
    vmap: {
      key: { ct: { key: "state" } },
      data: { set: [["established", { accept: null }], ["new", { drop: null }]] },
    },
  };
  assertEquals(judge(ruleset([[match(meta("l4proto"), "tcp"), map]]), packet()), HIT);
  assertEquals(judge(ruleset([[match(meta("l4proto"), "udp"), map]]), packet()), MISS);
});

Deno.test("nft: jumps and gotos, also to a chain that is not there", () => {
  const chain = (name: string) => ({ chain: { ...place, name, handle: 9 } });
  const rule = (name: string, ...expr: unknown[]) => ({
    rule: { ...place, chain: name, handle: 7, expr },
  });
  const extra = [chain("sub"), rule("sub", match(meta("iifname"), "tunnet0"), DROP)];
  assertEquals(
    judge(ruleset([[{ jump: { target: "sub" } }]], "accept", extra), packet()),
    "drop by rule handle 7",
  );
  const passed = packet({ input: "eth0" });
  assertEquals(
    judge(ruleset([[{ goto: { target: "sub" } }], [DROP]], "accept", extra), passed),
    MISS,
  );
  assertEquals(
    judge(ruleset([[{ jump: { target: "sub" } }], [DROP]], "accept", extra), passed),
    "drop by rule handle 3",
  );
  assertEquals(judge(ruleset([[{ jump: { target: "gone" } }]]), packet()), MISS);
});

Deno.test("nft: tables that iptables shows better are left to it", () => {
  const text = ruleset([[DROP]]).replaceAll('"inet"', '"ip"').replaceAll('"host"', '"filter"');
  assertEquals(parseNft(text, new Set(["ip filter"])), []);
  assertEquals(parseNft(text, new Set(["ip6 filter"]))?.length, 1);
});

Deno.test("nft: what is no ruleset, or a broken one, is no reason to fail", () => {
  for (const text of ["", "{}", "[]", "null", '{"nftables":{}}', "{"]) {
    assertEquals(parseNft(text, new Set()), undefined, text);
  }
  const numbers = random(6);
  const good = ruleset(
    MATCHES.map(([, expr]) => [expr, DROP]),
    "drop",
  );
  const bad = [null, 0, "", "x", [], {}, [[]], { set: 5 }, { prefix: null }, { range: [1] }];
  for (let round = 0; round < 300 * fuzzMultiplier(); round++) {
    const text = JSON.stringify(
      JSON.parse(good, (_, value: unknown) => numbers.below(40) === 0 ? numbers.pick(bad) : value),
    );
    const chains = parseNft(text, new Set());
    if (!chains) continue;
    for (const one of [packet(), v6, udp]) {
      const found = verdicts(
        { chains, tools: ["iptables", "nft"], unread: [] },
        "forward",
        "filter",
        one,
      );
      assert(found.length <= 1);
    }
  }
});

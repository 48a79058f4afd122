/** Reads what `nft -j list ruleset` prints (libnftables-json(5)). Pure. */

import type { IpVersion } from "../../../net/prefix.ts";
import type { Action, Chain, Hook, Rule, Test } from "./model.ts";
import {
  addressBetween,
  addressIn,
  any,
  FOR_THIS_HOST,
  interfaceIs,
  markIs,
  not,
  portBetween,
  protocolIs,
  stateIn,
  UNKNOWN,
} from "./tests.ts";

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function objectAt(value: Json, name: string): Json | undefined {
  const inner = value[name];
  return isObject(inner) ? inner : undefined;
}

function textAt(value: Json, name: string): string {
  const inner = value[name];
  return typeof inner === "string" ? inner : "";
}

const VERSIONS: Readonly<Record<string, readonly IpVersion[]>> = {
  ip: [4],
  ip6: [6],
  inet: [4, 6],
};

const HOOKS: readonly string[] = ["prerouting", "input", "forward", "output", "postrouting"];

const ADDRESS_FIELDS: Readonly<Record<string, "source" | "destination">> = {
  saddr: "source",
  daddr: "destination",
};
const PORT_FIELDS: Readonly<Record<string, "sourcePort" | "destinationPort">> = {
  sport: "sourcePort",
  dport: "destinationPort",
};

/** Sets of a ruleset by family, table and name. */
type Sets = ReadonlyMap<string, readonly unknown[]>;

/** The single values that a right side means; undefined for a set that is not known. */
function valuesOf(right: unknown, sets: Sets, place: string): readonly unknown[] | undefined {
  if (Array.isArray(right)) return right;
  if (isObject(right) && Array.isArray(right.set)) return right.set;
  if (typeof right === "string" && right.startsWith("@")) {
    return sets.get(`${place} ${right.slice(1)}`);
  }
  return [right];
}

/** An element of a set may carry a timeout or a comment around its value. */
function bare(value: unknown): unknown {
  const element = isObject(value) ? objectAt(value, "elem") : undefined;
  return element ? element.val : value;
}

function addressTest(side: "source" | "destination", value: unknown): Test {
  if (typeof value === "string") return addressIn(side, value);
  if (!isObject(value)) return UNKNOWN;
  const prefix = objectAt(value, "prefix");
  if (prefix) return addressIn(side, `${textAt(prefix, "addr")}/${prefix.len}`);
  const { range } = value;
  return Array.isArray(range) ? addressBetween(side, String(range[0]), String(range[1])) : UNKNOWN;
}

function portTest(side: "sourcePort" | "destinationPort", value: unknown): Test {
  if (typeof value === "number") return portBetween(side, value, value);
  const range = isObject(value) ? value.range : undefined;
  return Array.isArray(range) ? portBetween(side, Number(range[0]), Number(range[1])) : UNKNOWN;
}

/** How to ask for one value of a left side; undefined if it is beyond the model. */
function asker(left: Json): ((value: unknown) => Test) | undefined {
  const meta = objectAt(left, "meta");
  if (meta) {
    switch (textAt(meta, "key")) {
      case "iifname":
      case "iif":
        return (value) => interfaceIs("input", String(value), "*");
      case "oifname":
      case "oif":
        return (value) => interfaceIs("output", String(value), "*");
      case "l4proto":
        return (value) => protocolIs(String(value));
      case "nfproto":
        return (value) => ({ version }) => value === `ipv${version}`;
      case "protocol":
        return (value) => ({ version }) => value === (version === 4 ? "ip" : "ip6");
      case "mark":
        return (value) => markIs(Number(value), 0xffff_ffff);
    }
    return undefined;
  }
  const payload = objectAt(left, "payload");
  if (payload) {
    const protocol = textAt(payload, "protocol");
    const field = textAt(payload, "field");
    const address = ADDRESS_FIELDS[field];
    if (address && (protocol === "ip" || protocol === "ip6")) {
      const version = protocol === "ip" ? 4 : 6;
      return (value) => (packet) =>
        packet.version === version && addressTest(address, value)(packet);
    }
    if (field === "protocol" || field === "nexthdr") return (value) => protocolIs(String(value));
    const port = PORT_FIELDS[field];
    if (port && ["tcp", "udp", "th"].includes(protocol)) {
      return (value) => (packet) =>
        (protocol === "th" || packet.protocol === protocol) && portTest(port, value)(packet);
    }
    return undefined;
  }
  const ct = objectAt(left, "ct");
  if (ct && textAt(ct, "key") === "state") return (value) => stateIn([String(value)]);
  const fib = objectAt(left, "fib");
  if (fib && fib.result === "type") {
    return (value) => value === "local" ? FOR_THIS_HOST : UNKNOWN;
  }
  return undefined;
}

function matchTest(match: Json, sets: Sets, place: string): Test {
  const left = objectAt(match, "left");
  const ask = left && asker(left);
  const values = valuesOf(match.right, sets, place);
  if (!ask || !values) return UNKNOWN;
  const test = any(values.map((value) => ask(bare(value))));
  return match.op === "!=" ? not(test) : test;
}

/** What a statement does; undefined if it is none that ends or leaves the rule. */
function actionOf(statement: Json): Action | undefined {
  for (const kind of ["jump", "goto"] as const) {
    const target = objectAt(statement, kind);
    if (target) return { kind, chain: textAt(target, "target") };
  }
  for (const kind of ["accept", "drop", "return"] as const) {
    if (kind in statement) return { kind };
  }
  if ("reject" in statement) return { kind: "drop" };
  for (const how of ["masquerade", "snat", "dnat", "redirect"] as const) {
    if (how in statement) return { kind: "nat", how };
  }
  return undefined;
}

/** The rules that one rule of nft comes to: a verdict map is one for each of its entries. */
function readRule(rule: Json, sets: Sets, place: string): readonly Rule[] {
  const text = `rule handle ${Number(rule.handle)}`;
  const tests: Test[] = [];
  for (const statement of Array.isArray(rule.expr) ? rule.expr : []) {
    if (!isObject(statement)) continue;
    const match = objectAt(statement, "match");
    if (match) {
      tests.push(matchTest(match, sets, place));
      continue;
    }
    const map = objectAt(statement, "vmap");
    if (map) return mapRules(map, tests, text, sets, place);
    if ("xt" in statement || "limit" in statement) tests.push(UNKNOWN);
    const action = actionOf(statement);
    if (action) return [{ tests, action, text }];
  }
  return [];
}

function mapRules(
  map: Json,
  tests: readonly Test[],
  text: string,
  sets: Sets,
  place: string,
): readonly Rule[] {
  const key = objectAt(map, "key");
  const ask = key && asker(key);
  const entries = valuesOf(map.data, sets, place) ?? [];
  return entries.flatMap((entry): Rule[] => {
    if (!Array.isArray(entry) || !isObject(entry[1])) return [];
    const action = actionOf(entry[1]);
    if (!action) return [];
    const values = valuesOf(entry[0], sets, place);
    const test = ask && values ? any(values.map((value) => ask(bare(value)))) : UNKNOWN;
    return [{ tests: [...tests, test], action, text }];
  });
}

/** One flag comes as a text, several as a list; nft 1.0.6 prints the table's name in its place. */
function hasOwner({ flags, name }: Json): boolean {
  const list: readonly unknown[] = Array.isArray(flags) ? flags : [flags];
  return list.some((flag) => flag === "owner" || flag !== undefined && flag === name);
}

/** Priorities come as numbers; NAT tells source from destination by its hook anyway. */
function readChain(chain: Json, rules: readonly Rule[], owned: boolean): Chain | undefined {
  const family = textAt(chain, "family");
  const versions = VERSIONS[family];
  if (!versions) return undefined;
  const hook = textAt(chain, "hook");
  return {
    tool: "nft",
    family,
    versions,
    table: textAt(chain, "table"),
    name: textAt(chain, "name"),
    hook: HOOKS.includes(hook) ? hook as Hook : undefined,
    type: chain.type === "nat" ? "nat" : "filter",
    priority: Number(chain.prio ?? 0),
    policy: chain.policy === "drop" ? "drop" : "accept",
    rules,
    ...(owned ? { owned } : {}),
  };
}

/**
 * The chains of a ruleset, but for the tables that `except` names (`ip filter`):
 * those of iptables, which shows them better. Undefined if the text is no ruleset.
 */
export function parseNft(
  text: string,
  except: ReadonlySet<string>,
): readonly Chain[] | undefined {
  let items: unknown;
  try {
    const whole: unknown = JSON.parse(text);
    items = isObject(whole) ? whole.nftables : undefined;
  } catch {
    return undefined;
  }
  if (!Array.isArray(items)) return undefined;
  const objects = items.filter(isObject);
  const placeOf = (item: Json) => `${textAt(item, "family")} ${textAt(item, "table")}`;
  const all = (kind: string) =>
    objects.map((item) => objectAt(item, kind)).filter((item) => item !== undefined)
      .filter((item) => !except.has(placeOf(item)));
  const sets: Sets = new Map(
    [...all("set"), ...all("map")].map((set) => [
      `${placeOf(set)} ${textAt(set, "name")}`,
      Array.isArray(set.elem) ? set.elem : [],
    ]),
  );
  const rules = new Map<string, Rule[]>();
  for (const rule of all("rule")) {
    const key = `${placeOf(rule)} ${textAt(rule, "chain")}`;
    const known = rules.get(key) ?? [];
    known.push(...readRule(rule, sets, placeOf(rule)));
    rules.set(key, known);
  }
  const owned = new Set(
    all("table").filter(hasOwner).map((table) =>
      `${textAt(table, "family")} ${textAt(table, "name")}`
    ),
  );
  return all("chain").flatMap((chain) => {
    const key = `${placeOf(chain)} ${textAt(chain, "name")}`;
    return readChain(chain, rules.get(key) ?? [], owned.has(placeOf(chain))) ?? [];
  });
}

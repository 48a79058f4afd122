/** Reads what iptables-save prints (iptables-save(8), iptables-extensions(8)). Pure. */

import type { IpVersion } from "../../../net/prefix.ts";
import type { Action, Chain, Hook, Rule, Test, Tool } from "./model.ts";
import {
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

const HOOKS: Readonly<Record<string, Hook>> = {
  PREROUTING: "prerouting",
  INPUT: "input",
  FORWARD: "forward",
  OUTPUT: "output",
  POSTROUTING: "postrouting",
};

/** linux/netfilter_ipv4.h, enum nf_ip_hook_priorities. */
const PRIORITIES: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  filter: 0,
  security: 50,
};
const DESTINATION_NAT = -100;
const SOURCE_NAT = 100;

const TARGETS: Readonly<Record<string, Action>> = {
  ACCEPT: { kind: "accept" },
  DROP: { kind: "drop" },
  REJECT: { kind: "drop" },
  RETURN: { kind: "return" },
  MASQUERADE: { kind: "nat", how: "masquerade" },
  SNAT: { kind: "nat", how: "snat" },
  DNAT: { kind: "nat", how: "dnat" },
  REDIRECT: { kind: "nat", how: "redirect" },
};

/** Words of a line; a word in double quotes may hold spaces and \\-escapes. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, bare]) =>
    bare ?? quoted!.replaceAll(/\\(.)/g, "$1")
  );
}

function numberOf(text: string | undefined): number {
  return text !== undefined && /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : NaN;
}

function ports(side: "sourcePort" | "destinationPort", text: string): Test {
  return any(
    text.split(",").map((part) => {
      const [first, last = first] = part.split(":");
      return portBetween(side, numberOf(first), numberOf(last));
    }),
  );
}

/** Options with one value, and what they ask. */
const OPTIONS: Readonly<Record<string, (value: string) => Test>> = {
  "-i": (value) => interfaceIs("input", value, "+"),
  "-o": (value) => interfaceIs("output", value, "+"),
  "-s": (value) => addressIn("source", value),
  "-d": (value) => addressIn("destination", value),
  "-p": protocolIs,
  "--dport": (value) => ports("destinationPort", value),
  "--sport": (value) => ports("sourcePort", value),
  "--dports": (value) => ports("destinationPort", value),
  "--sports": (value) => ports("sourcePort", value),
  "--ports": (value) => any([ports("destinationPort", value), ports("sourcePort", value)]),
  "--ctstate": (value) => stateIn(value.split(",")),
  "--state": (value) => stateIn(value.split(",")),
  "--dst-type": (value) => value === "LOCAL" ? FOR_THIS_HOST : UNKNOWN,
  "--mark": (value) => {
    const [mark, mask = "0xffffffff"] = value.split("/");
    return markIs(numberOf(mark), numberOf(mask));
  },
  "--comment": () => () => true,
};

/** Modules whose presence alone asks nothing. */
const MODULES = new Set(
  ["tcp", "udp", "multiport", "conntrack", "state", "comment", "addrtype", "mark"],
);

function readRule(words: readonly string[], text: string): Rule {
  const tests: Test[] = [];
  let action: Action = { kind: "continue" };
  let negated = false;
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    const value = words[at + 1] ?? "";
    if (word === "!") {
      negated = true;
      continue;
    }
    const option = Object.hasOwn(OPTIONS, word) ? OPTIONS[word] : undefined;
    if (option) {
      tests.push(negated ? not(option(value)) : option(value));
      at++;
    } else if (word === "-j" || word === "-g") {
      const kind = word === "-g" ? "goto" : "jump";
      action = Object.hasOwn(TARGETS, value) ? TARGETS[value]! : { kind, chain: value };
      // The rest says how the target does it.
      break;
    } else if (word === "-m") {
      if (!MODULES.has(value)) tests.push(UNKNOWN);
      at++;
    } else if (word.startsWith("-")) tests.push(UNKNOWN);
    negated = false;
  }
  return { tests, action, text };
}

interface OpenChain {
  readonly policy: string;
  readonly rules: Rule[];
}

function finish(
  table: string,
  chains: ReadonlyMap<string, OpenChain>,
  version: IpVersion,
  tool: Tool,
): Chain[] {
  return [...chains].map(([name, { policy, rules }]) => {
    const hook = policy === "-" ? undefined : HOOKS[name];
    const nat = table === "nat";
    const source = hook === "postrouting" || hook === "input";
    return {
      tool,
      family: version === 4 ? "ip" : "ip6",
      versions: [version],
      table,
      name,
      hook,
      type: nat ? "nat" : "filter",
      priority: nat ? (source ? SOURCE_NAT : DESTINATION_NAT) : PRIORITIES[table] ?? 0,
      policy: policy === "DROP" ? "drop" : "accept",
      rules,
    };
  });
}

/** All chains of one iptables-save; what is no table, chain or rule is passed over. */
export function parseIptables(text: string, version: IpVersion, tool: Tool): readonly Chain[] {
  const found: Chain[] = [];
  let table = "";
  let chains = new Map<string, OpenChain>();
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) {
      table = line.slice(1).trim();
      chains = new Map();
    } else if (line.startsWith(":")) {
      const [name = "", policy = "-"] = line.slice(1).split(" ");
      chains.set(name, { policy, rules: [] });
    } else if (line.startsWith("-A ")) {
      const [name = "", ...words] = wordsOf(line.slice(3));
      chains.get(name)?.rules.push(readRule(words, line.trim()));
    } else if (line.trim() === "COMMIT") found.push(...finish(table, chains, version, tool));
  }
  return found;
}

/**
 * A host's packet filters as one model, whichever tool wrote them, and what
 * they do with a packet. Pure.
 *
 * What a rule asks may be beyond this model (a rate, a set of another program):
 * such a test has no answer, and a verdict that hangs on it is uncertain.
 */

import { FIREWALL_JUMPS_MAX, FIREWALL_STEPS_MAX } from "../../../base/limits.ts";
import type { Address, IpVersion } from "../../../net/prefix.ts";

/** Netfilter's hooks (linux/netfilter.h). */
export type Hook = "prerouting" | "input" | "forward" | "output" | "postrouting";

/** The first packet of a flow, as rules see it. */
export interface Packet {
  readonly version: IpVersion;
  readonly protocol: "tcp" | "udp" | "icmp";
  readonly source: Address;
  readonly destination: Address;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** The interface it came in by; empty for a packet of this host. */
  readonly input: string;
  /** The interface it leaves by; empty for a packet to this host. */
  readonly output: string;
}

/** One condition of a rule; undefined: it cannot be told. */
export type Test = (packet: Packet) => boolean | undefined;

/** What a rule does with a packet that it matches. */
export type Action =
  | { readonly kind: "accept" | "drop" | "return" | "continue" }
  | { readonly kind: "jump" | "goto"; readonly chain: string }
  | { readonly kind: "nat"; readonly how: "masquerade" | "snat" | "dnat" | "redirect" };

/** A rule. */
export interface Rule {
  readonly tests: readonly Test[];
  readonly action: Action;
  /** The rule as a person would look it up. */
  readonly text: string;
}

/** The program that shows and changes a chain: the words before `-I`, or `nft`. */
export type Tool =
  | `${"iptables" | "ip6tables"}${"" | "-legacy" | "-nft"}`
  | "nft";

/** A chain; one with a hook is called by the kernel itself. */
export interface Chain {
  readonly tool: Tool;
  /** Of nft: ip, ip6, inet; else the IP version says it all. */
  readonly family: string;
  readonly versions: readonly IpVersion[];
  readonly table: string;
  readonly name: string;
  readonly hook?: Hook | undefined;
  readonly type: "filter" | "nat";
  readonly priority: number;
  readonly policy: "accept" | "drop";
  readonly rules: readonly Rule[];
  /** Of nft: its table is one that nobody but the program that made it may change. */
  readonly owned?: boolean;
}

/** All chains of a host. */
export interface Firewall {
  readonly chains: readonly Chain[];
  /** The programs that change rules, of which this host has any. */
  readonly tools: readonly ("iptables" | "nft")[];
  /** The program that keeps the rules of this host, and writes them anew when it likes. */
  readonly manager?: "firewalld" | "ufw" | undefined;
  /** What could not be read, one line each. */
  readonly unread: readonly string[];
}

/** What became of a packet in one chain of the kernel's. */
export interface Verdict {
  readonly chain: Chain;
  readonly kind: "accept" | "drop" | "nat";
  /** The rule that decided, or the chain's policy. */
  readonly text: string;
  /** False if a rule that cannot be judged may have decided otherwise. */
  readonly certain: boolean;
}

interface Decision {
  readonly kind: "accept" | "drop" | "nat" | "return";
  readonly text: string;
}

/** One packet's way through one base chain. */
class Walk {
  #steps = 0;
  /** Whether a rule of that kind was passed by that may have matched. */
  readonly maybe = new Set<string>();

  constructor(readonly chains: ReadonlyMap<string, Chain>, readonly packet: Packet) {}

  /** Undefined: the packet came out at the end of the chain. */
  run(chain: Chain, depth: number): Decision | undefined {
    for (const rule of chain.rules) {
      if (++this.#steps > FIREWALL_STEPS_MAX) return undefined;
      const answers = rule.tests.map((test) => test(this.packet));
      if (answers.includes(false)) continue;
      const certain = !answers.includes(undefined);
      const decision = this.#act(rule, depth);
      if (decision === undefined) {
        if (rule.action.kind === "goto" && certain) return undefined;
        continue;
      }
      if (!certain) {
        this.maybe.add(decision.kind);
        continue;
      }
      return decision.kind === "return" ? undefined : decision;
    }
    return undefined;
  }

  #act({ action, text }: Rule, depth: number): Decision | undefined {
    switch (action.kind) {
      case "continue":
        return undefined;
      case "jump":
      case "goto": {
        const target = this.chains.get(action.chain);
        return target && depth < FIREWALL_JUMPS_MAX ? this.run(target, depth + 1) : undefined;
      }
      default:
        return { kind: action.kind, text };
    }
  }
}

/** What names a chain among those that can jump to each other. */
function chainKey({ tool, family, table }: Chain, name: string): string {
  return `${tool} ${family} ${table} ${name}`;
}

/**
 * What each chain of a hook does with a packet, in the kernel's order. The
 * packet passes only if none drops it. NAT is a verdict of chains of type nat.
 */
export function verdicts(
  { chains }: Firewall,
  hook: Hook,
  type: Chain["type"],
  packet: Packet,
): readonly Verdict[] {
  const bases = chains.filter((chain) =>
    chain.hook === hook && chain.type === type && chain.versions.includes(packet.version)
  ).sort((a, b) => a.priority - b.priority);
  return bases.map((base) => {
    const reachable = new Map(
      chains.filter((one) => chainKey(one, "") === chainKey(base, "")).map((one) => [
        one.name,
        one,
      ]),
    );
    const walk = new Walk(reachable, packet);
    const decision = walk.run(base, 0);
    const kind = decision === undefined || decision.kind === "return" ? base.policy : decision.kind;
    return {
      chain: base,
      kind,
      text: decision?.text ?? `the policy ${base.policy.toUpperCase()}`,
      certain: [...walk.maybe].every((other) => other === kind),
    };
  });
}

/** Where a chain is, as a person writes it. */
export function chainPlace({ tool, family, table, name }: Chain): string {
  return tool === "nft" ? `${family} ${table} ${name} (nft)` : `${table} ${name} (${tool})`;
}

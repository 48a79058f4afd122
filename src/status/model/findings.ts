/**
 * What a running node finds wrong by itself, what it means and what fixes it. `tunnet doctor` looks
 * further: at the firewall, the routes and what others hold. Pure.
 */

import { DROP_MEANINGS } from "./drop_meaning.ts";
import type { Past } from "./history.ts";
import type { PeerStatus, Status } from "./types.ts";

/** Something that is wrong now, or was within the last minutes. */
export interface StatusFinding {
  /** A stable name for programs. */
  readonly id: string;
  /** `fail`: something does not work; `warn`: it may be meant so. */
  readonly status: "fail" | "warn";
  readonly what: string;
  readonly why: string;
  /** A command for a root shell. */
  readonly fix: string | null;
  /** The node where to run it; null: this one. */
  readonly fix_on: string | null;
  /** The peers that it is about. */
  readonly peers: readonly string[];
}

/** A node that has just begun has heard nobody. */
const PATIENCE_MS = 15_000;

/** What is found of one peer; findings of one key are told as one. */
type OfPeer = Omit<StatusFinding, "peers">;

const since_ms = ({ time }: Status, at: string): number => Date.parse(time) - Date.parse(at);

function stateOf(peer: PeerStatus, status: Status): OfPeer[] {
  const { state, why, name, port, last_seen, since } = peer;
  const look = { fix: `tunnet doctor --node ${name}`, fix_on: name };
  switch (state) {
    case "up":
      return [];
    case "one-way":
      return [{
        ...{ id: "peer_one_way", status: "fail", what: "heard, but does not hear this node" },
        why: why ?? "",
        ...{ fix: `iptables -I INPUT -p udp --dport ${port} -j ACCEPT`, fix_on: name },
      }];
    case "down":
    case "silent":
      return [{
        ...{ id: `peer_${state}`, status: "fail" },
        what: state === "down" ? "down" : "heard no more",
        why: why ?? "it does not answer",
        ...look,
      }];
    case "plain":
      if (last_seen !== null || since_ms(status, since) < PATIENCE_MS) return [];
      return [{
        ...{ id: "peer_unheard", status: "warn", what: "never heard" },
        why: why ?? "it has not said anything yet",
        ...look,
      }];
  }
}

function ofPeer(peer: PeerStatus, status: Status): OfPeer[] {
  const compare = { fix: "tunnet check", fix_on: peer.name };
  return [
    ...stateOf(peer, status),
    ...peer.problems.map((why): OfPeer => ({
      ...{ id: "peer_config", status: "warn", what: "does not fit this node", why },
      ...compare,
    })),
  ];
}

/** One finding for all peers of which the same is to be said. */
function peerFindings(status: Status): StatusFinding[] {
  const found = new Map<string, { first: OfPeer; peers: string[] }>();
  for (const peer of status.peers) {
    for (const first of ofPeer(peer, status)) {
      const key = `${first.id} ${first.why.replaceAll(peer.name, "")}`;
      const known = found.get(key);
      if (known) known.peers.push(peer.name);
      else found.set(key, { first, peers: [peer.name] });
    }
  }
  return [...found.values()].map(({ first, peers }) => ({
    ...{ ...first, peers },
    // A command for all of them names none.
    ...(peers.length > 1 && { fix: first.fix?.replace(` --node ${peers[0]}`, "") ?? null }),
  }));
}

function nodeFindings({ node, device, etcd }: Status): StatusFinding[] {
  const here = { fix_on: null, peers: [] };
  const findings = node.problems.map((why): StatusFinding => ({
    ...{ id: "node", status: "fail", what: "this node", why, ...here },
    fix: device.state === "down" && why.includes(device.name)
      ? `ip link set ${device.name} up`
      : "tunnet doctor",
  }));
  if (!node.config_reload.successful) {
    findings.push({
      ...{ id: "config", status: "fail", what: "the config was not taken over", ...here },
      why: "the last reload failed: this node runs with the config of before",
      fix: "tunnet check",
    });
  }
  if (etcd && !etcd.connected) {
    findings.push({
      ...{ id: "etcd", status: "fail", what: `etcd at ${etcd.endpoint} is away`, ...here },
      why: etcd.problem ?? "it does not answer",
      fix: "tunnet etcd ls",
    });
  }
  return findings;
}

function dropFindings(past: Past): StatusFinding[] {
  const minutes = Math.round(past.interval_ms * past.length / 60_000);
  return past.drops().map((drop) => {
    const { means, hint } = DROP_MEANINGS[drop.reason] ?? { means: "went no further", hint: "" };
    const rates = drop.packets.reduce<number>((sum, value) => sum + (value ?? 0), 0);
    const packets = Math.max(1, Math.round(rates * past.interval_ms / 1000));
    return {
      ...{ id: `drop_${drop.reason}`, status: "warn" as const, fix_on: null, peers: [] },
      what: `${drop.direction} packets dropped: ${drop.reason.replaceAll("_", " ")}`,
      why: `${packets} in the last ${minutes} minutes; each ${means}` + (hint && ` (${hint})`),
      fix: `tunnet trace ${drop.reason}`,
    };
  });
}

/** All that is found, the most urgent first. */
export function findingsOf(status: Status, lately: Past): readonly StatusFinding[] {
  const found = [...nodeFindings(status), ...peerFindings(status), ...dropFindings(lately)];
  return found.toSorted((a, b) => Number(a.status === "warn") - Number(b.status === "warn"));
}

/** The other nodes: found, reached both ways, and of the same config. Pure. */

import { formatAddress, formatEndpoint } from "../../../net/prefix.ts";
import { type Hello, PROTOCOL_VERSION } from "../../../wire/hello.ts";
import { NO_HOST } from "../../../config/types.ts";
import type { PeerStateName } from "../../../peers/liveness.ts";
import { type Check, checksOf, type Finding } from "../check.ts";
import type { Facts, PeerFacts } from "../facts.ts";
import { deviceOf } from "../view.ts";
import { innerMtu, mtuFix } from "./routes.ts";

/** No clock is right that is before this program was written: 2025-01-01. */
const CLOCK_LEAST_MS = Date.UTC(2025, 0, 1);

/** States in which a peer has said what it runs with. */
const SAYS_HELLO: readonly PeerStateName[] = ["up", "one-way"];

/** The finding of a peer that is heard and does not hear this node. */
function deafTo(self: string, at: string, port: number, name: string): Finding {
  return {
    why: `it says hello, but does not hear ${self}: something on the way there drops UDP to ${at}`,
    fix: `iptables -I INPUT -p udp --dport ${port} -j ACCEPT`,
    fixOn: name,
  };
}

function reach({ node, address, path, probe }: PeerFacts, facts: Facts): Finding[] {
  const { name, endpoint } = node;
  // Only the running node knows where such a one has called from.
  if (!address && endpoint.host === NO_HOST) return [];
  if (!address) {
    return [{
      why: `its name ${endpoint.host} is not known to this host`,
      fix: `echo '192.0.2.1 ${endpoint.host}' >>/etc/hosts # with its address`,
    }];
  }
  const text = formatAddress(address.bytes);
  const at = formatEndpoint(text, endpoint.port);
  if (!path) {
    return [{
      why: `this host has no route to ${text}`,
      fix: `ip route add ${text} via ROUTER # with your router's address`,
    }];
  }
  const lookThere = { fix: `tunnet doctor --node ${name}`, fixOn: name };
  switch (probe.kind) {
    case "answered":
      return [];
    case "told":
      if (probe.state === "up") return [];
      if (probe.state === "one-way") return [deafTo(facts.self.name, at, endpoint.port, name)];
      if (node.keys && probe.session === false) {
        return [{
          why:
            `no handshake with it: UDP ${at} is blocked on the way, or the public_key of one of ` +
            "the two is not the same in both configs",
          fix: "tunnet key --show # what the config must have as its public_key",
          fixOn: name,
        }];
      }
      if (node.keys?.wireguard && probe.session) return [];
      return [{
        status: probe.state === "plain" ? "warn" : "fail",
        why: probe.state === "plain"
          ? `it has not said hello yet: ${probe.why || "it is no tunnet, or out of reach"}`
          : `the running node finds it ${probe.state}${probe.why && `: ${probe.why}`}`,
        ...lookThere,
      }];
    case "deaf":
      return [deafTo(facts.self.name, at, endpoint.port, name)];
    case "refused":
      return [{
        why: `its host answers, but nothing listens on UDP ${at}`,
        fix: "tunnet --peer",
        fixOn: name,
      }];
    case "unreachable":
      return [{ why: `${at} is out of reach: ${probe.why}`, ...lookThere }];
    case "silent":
      return [{
        why: `nothing comes back from UDP ${at}: its host is down, a firewall on the way drops ` +
          "the datagrams, or it is no tunnet",
        ...lookThere,
      }];
    case "not_asked":
      return [{ status: "skip", why: probe.why }];
  }
}

/** What a peer says of itself that does not fit this node's config. */
function differs(name: string, hello: Hello, { config, source }: Facts): Finding[] {
  const found: Finding[] = [];
  const compare = { fix: "tunnet check", fixOn: name };
  if (hello.mode !== config.mode) {
    found.push({
      why: `it runs in mode ${hello.mode}, this config says ${config.mode}`,
      ...compare,
    });
  }
  if (hello.name !== name && source !== "command line") {
    found.push({
      why: `it calls itself ${hello.name}: the config files are not the same`,
      ...compare,
    });
  }
  if (hello.version !== PROTOCOL_VERSION) {
    found.push({
      status: "warn",
      why: `it speaks version ${hello.version} of the protocol, this one ${PROTOCOL_VERSION}`,
      fix: "tunnet --version",
      fixOn: name,
    });
  }
  return found;
}

/**
 * What the running node has found out of the path. It tells senders what fits, so that all works;
 * an MTU that fits spares each flow its first large packet. In mode tap pods have their own.
 */
function toldPath(peer: PeerFacts, facts: Facts): readonly Check[] {
  const { node: { name }, probe } = peer;
  if (probe.kind !== "told" || probe.state !== "up" || probe.largest_bytes === undefined) return [];
  const { largest_bytes } = probe;
  const local_bytes = innerMtu(facts, peer);
  if (local_bytes === undefined) return [];
  const device_bytes = deviceOf(facts)?.mtu_bytes ?? local_bytes;
  const tap = facts.config.mode === "tap";
  const wanted_bytes = tap ? local_bytes : Math.min(local_bytes, device_bytes);
  const narrow = largest_bytes < wanted_bytes;
  const why =
    `the path carries ${largest_bytes} bytes, not ${wanted_bytes}: something on the way is ` +
    "narrower than this host's interface; senders are told, which costs each flow its first " +
    "large packet";
  const found: Finding[] = narrow && !tap
    ? [{ status: "warn", why, ...mtuFix(facts, largest_bytes) }]
    : [];
  const well = narrow ? why : `the running node has found that ${wanted_bytes} bytes come through`;
  return checksOf("path_mtu", `${name}, large packets`, well, found);
}

function peerChecks(peer: PeerFacts, facts: Facts): readonly Check[] {
  const { node: { name, keys }, probe } = peer;
  const reached = checksOf(
    "peer",
    `${name}, both ways`,
    probe.kind === "told" ? "the running node hears it" : "it hears this node and answers",
    reach(peer, facts),
  );
  if (probe.kind === "told") {
    // A real WireGuard has another config, and no mode.
    if (keys?.wireguard) return reached;
    const fix = { fix: "tunnet check", fixOn: name };
    const problems = probe.problems.map((why): Finding => ({ status: "warn", why, ...fix }));
    if (problems.length === 0 && !SAYS_HELLO.includes(probe.state)) {
      problems.push({ status: "skip", why: "not known: it says no hello" });
    }
    return [
      ...reached,
      ...toldPath(peer, facts),
      ...checksOf("peer_config", `${name}, its config`, "it fits", problems),
    ];
  }
  if (probe.kind !== "answered") return reached;
  const { wanted_bytes, largest_bytes, told } = probe;
  const narrow: Finding[] = largest_bytes >= wanted_bytes ? [] : [{
    status: told ? "warn" : "fail",
    why: told
      ? `the way carries ${largest_bytes} bytes, not ${wanted_bytes}: a router says so each time, ` +
        "which costs each flow its first large packet"
      : `packets of ${wanted_bytes} bytes vanish on the way, ${largest_bytes} come through: a ` +
        "router drops large ones and does not say so",
    ...mtuFix(facts, largest_bytes),
  }];
  return [
    ...reached,
    ...checksOf(
      "path_mtu",
      `${name}, large packets`,
      `${wanted_bytes} bytes come through whole`,
      narrow,
    ),
    ...checksOf("peer_config", `${name}, its config`, "it fits", differs(name, probe.hello, facts)),
  ];
}

function clock({ clock_ms }: Facts): Finding[] {
  if (clock_ms >= CLOCK_LEAST_MS) return [];
  const why = `it says ${new Date(clock_ms).toISOString()}, which has passed`;
  return [{ why, fix: "timedatectl set-ntp true" }];
}

/** The checks of this family. */
export function otherNodesChecks(facts: Facts): readonly Check[] {
  return [
    ...facts.peers.flatMap((peer) => peerChecks(peer, facts)),
    ...checksOf("clock", "clock", "it is of this age", clock(facts)),
  ];
}

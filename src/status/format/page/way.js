// @ts-check
import { $, make, tell } from "./dom.js";
import { count, rate } from "./units.js";

/**
 * The whole way of a packet, and what each step of it has counted.
 *
 * @typedef {import("../../model/types.ts").Status} Status
 * @typedef {import("../../model/types.ts").PeerStatus} PeerStatus
 */

/**
 * Where each drop happens. What is not named is told of the lookup (out) and the check (in).
 *
 * @type {Record<"outbound" | "inbound", Record<"device" | "udp", string[]>>}
 */
const AT = {
  outbound: { device: ["device_overflow"], udp: ["send_queue_full", "send_failed"] },
  inbound: {
    device: ["device_rejected", "device_down", "backlog_overflow"],
    udp: ["socket_overflow", "reserved_type", "control_flood", "handshake_flood"],
  },
};

/** @type {Map<string, { out: Element, in: Element, what: Element, drops: Element, name: Element }>} */
const steps = new Map();

/** @param {string} id @param {string} title */
function step(id, title) {
  const part = {
    name: make("b", {}, title),
    what: make("span", { class: "soft" }),
    out: make("span", { class: "out" }),
    in: make("span", { class: "in" }),
    drops: make("span", { class: "lost" }),
  };
  steps.set(id, part);
  return make(
    "li",
    { class: "step", "data-step": id },
    part.name,
    part.what,
    part.out,
    part.in,
    part.drops,
  );
}

const link = () =>
  make(
    "li",
    { class: "hop", "aria-hidden": "true" },
    make("i", { class: "out" }),
    make("i", { class: "in" }),
  );

/** @param {Status} status @param {"outbound" | "inbound"} way @param {"device" | "udp" | "rest"} where */
function lost(status, way, where) {
  const { device, udp } = AT[way];
  const named = where === "rest" ? [] : AT[way][where];
  return Object.entries(status[way].drops)
    .filter(([reason]) =>
      where === "rest" ? !device.includes(reason) && !udp.includes(reason) : named.includes(reason)
    )
    .reduce((sum, [, n]) => sum + n, 0);
}

/** @param {string} id @param {{ name?: string, what?: string, out?: string, in?: string, drops?: number }} says */
function say(id, says) {
  const part = steps.get(id);
  if (!part) return;
  if (says.name !== undefined) tell(part.name, says.name);
  tell(part.what, says.what ?? "");
  tell(part.out, says.out ?? "");
  tell(part.in, says.in ?? "");
  tell(part.drops, says.drops ? count(says.drops) + " dropped" : "");
}

/** The peer that is chosen, or the one that most goes to. @param {Status} status */
function chosen({ peers }) {
  const name = /** @type {HTMLSelectElement} */ ($("way-peer")).value;
  return peers.find((peer) => peer.name === name);
}

/** @param {Status} status */
function offer({ peers }) {
  const select = /** @type {HTMLSelectElement} */ ($("way-peer"));
  const names = ["", ...peers.map(({ name }) => name)];
  const known = [...select.options].map(({ value }) => value);
  if (known.length === names.length && known.every((name, i) => name === names[i])) return;
  const { value } = select;
  select.replaceChildren(
    ...names.map((name) => make("option", { value: name }, name || "all peers")),
  );
  select.value = names.includes(value) ? value : "";
}

/** What carries a peer's packets, in words. @param {PeerStatus["transport"]} transport */
export function wayText(transport) {
  switch (transport) {
    case "kernel":
      return "kernel path";
    case "lanes":
      return "lanes";
    case "sealed":
      return "lanes, sealed";
    default:
      return "nothing";
  }
}

/** How many peers go each way. @param {Status} status */
function ways({ peers }) {
  /** @type {Map<string, number>} */
  const tally = new Map();
  for (const { transport } of peers) {
    const text = wayText(transport);
    tally.set(text, (tally.get(text) ?? 0) + 1);
  }
  return [...tally].map(([text, n]) => n + " by " + text).join(", ");
}

const packets = (/** @type {number} */ n) => count(n) + " packets";

/** @param {Status} status */
export function showWay(status) {
  if (steps.size === 0) {
    $("way").replaceChildren(
      step("pods", "pods"),
      link(),
      step("bridge", "bridge"),
      link(),
      step("device", "device"),
      link(),
      step("lookup", "tunnet"),
      link(),
      step("udp", "UDP"),
      link(),
      step("far-udp", "UDP"),
      link(),
      step("far-device", "device"),
      link(),
      step("far-pods", "pods"),
    );
    $("way-peer").addEventListener("change", () => last && showWay(last));
  }
  last = status;
  offer(status);
  const peer = chosen(status);
  const { links: { pods, device: link_ }, device, node, outbound, inbound } = status;
  const flow = peer ?? { outbound, inbound };
  say("pods", { what: node.subnets.slice(0, 2).join(", ") || "no subnet" });
  say(
    "bridge",
    pods
      ? {
        name: pods.name,
        what: "towards the pods",
        out: packets(pods.received.packets),
        in: packets(pods.sent.packets),
        drops: pods.sent.dropped + pods.received.dropped,
      }
      : { name: "this host", what: "no device of pods is known" },
  );
  say("device", {
    name: device.name,
    what: device.mode + ", MTU " + device.mtu_bytes +
      (device.state === "up" ? "" : ", " + device.state),
    out: link_ ? packets(link_.sent.packets) : "",
    in: link_ ? packets(link_.received.packets) : "",
    drops: lost(status, "outbound", "device") + lost(status, "inbound", "device"),
  });
  say("lookup", {
    name: peer && peer.transport === "kernel" ? "kernel path" : "tunnet",
    what: peer ? "by " + wayText(peer.transport) : ways(status),
    out: packets(flow.outbound.packets),
    in: packets(flow.inbound.packets),
    drops: peer
      ? peer.dropped.outbound + peer.dropped.inbound
      : lost(status, "outbound", "rest") + lost(status, "inbound", "rest"),
  });
  say("udp", {
    what: node.listen,
    out: rate(flow.outbound.bits_per_second),
    in: rate(flow.inbound.bits_per_second),
    drops: lost(status, "outbound", "udp") + lost(status, "inbound", "udp"),
  });
  const up = status.peers.filter(({ state }) => state === "up").length;
  say("far-udp", {
    name: peer?.name ?? "peers",
    what: peer
      ? (peer.address ?? peer.host) + ":" + peer.port
      : up + " of " + status.peers.length + " up",
    out: peer && peer.rtt_ms !== null ? "round trip " + peer.rtt_ms.toFixed(2) + " ms" : "",
    in: peer && peer.path_mtu_bytes !== null ? "path MTU " + peer.path_mtu_bytes : "",
  });
  say("far-device", {
    what: peer?.mtu_bytes ? (peer.mode ?? "") + ", MTU " + peer.mtu_bytes : "its own to tell",
  });
  say("far-pods", { what: peer ? peer.subnets.slice(0, 2).join(", ") || "no subnet" : "theirs" });
  $("way").classList.toggle("flows-out", flow.outbound.bits_per_second > 0);
  $("way").classList.toggle("flows-in", flow.inbound.bits_per_second > 0);
}

/** @type {Status | undefined} */
let last;

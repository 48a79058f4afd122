// @ts-check
import { $, button, draw, hold, tell } from "./dom.js";
import { rate } from "./units.js";

/**
 * This node and its peers: a few around it, many as a map of names.
 *
 * @typedef {import("../../model/types.ts").Status} Status
 * @typedef {import("../../model/types.ts").PeerStatus} PeerStatus
 */

/** With more peers than this, there is no room for a ring with names, nor for a card of each. */
export const FEW_PEERS_MAX = 16;
/** More names than this are no map any more. */
const MAP_MAX = 1024;

/** What the topology shows: its width and its peers. */
let drawn = "";
/** @type {Map<string, HTMLElement>} */
const chips = new Map();

/** Width of a flow: a step for each power of ten from 1 kbit/s on. @param {number} bits */
const flowWidth = (bits) => bits < 1000 ? 0 : Math.min(7, 1 + Math.log10(bits / 1000));

/**
 * Builds the drawing for a set of peers; what changes every second is set by showTopology.
 * @param {Status} status @param {number} width
 */
function buildTopology({ node, peers }, width) {
  const svg = $("topology");
  // One unit is one pixel, so that letters have the same size on every screen.
  const [cx, cy, rx, ry] = [width / 2, 190, width / 2 - 70, 138];
  /** @type {SVGElement[]} */
  const links = [];
  /** @type {SVGElement[]} */
  const nodes = [];
  let [top, bottom] = [cy - 45, cy + 45];
  peers.forEach((peer, i) => {
    // The first ones to the right and left, then around.
    const angle = peers.length === 2
      ? i * Math.PI
      : -Math.PI / 2 + 2 * Math.PI * (i + .5) / peers.length;
    const x = cx + rx * Math.cos(peers.length === 1 ? 0 : angle);
    const y = cy + ry * Math.sin(peers.length === 1 ? 0 : angle);
    top = Math.min(top, y - 60);
    bottom = Math.max(bottom, y + 60);
    /** The line to the peer, bent aside. @param {number} by */
    const bend = (by) => {
      const length = Math.hypot(x - cx, y - cy);
      const [mx, my] = [
        (cx + x) / 2 - by * (y - cy) / length,
        (cy + y) / 2 + by * (x - cx) / length,
      ];
      return "M" + cx + " " + cy + "Q" + mx + " " + my + " " + x + " " + y;
    };
    links.push(
      draw("path", { id: "base-" + i, d: bend(0) }),
      draw("path", { id: "out-" + i, class: "flow out", d: bend(-14) }),
      draw("path", { id: "in-" + i, class: "flow in", d: bend(14) }),
    );
    const disc = draw("circle", { id: "disc-" + i, cx: x, cy: y, r: 15 });
    disc.append(draw("title", {}, peer.name));
    nodes.push(disc);
    const below = y >= cy - 1 ? 1 : -1;
    nodes.push(
      draw("text", { x, y: y + (below > 0 ? 33 : -38) }, peer.name),
      draw("text", { id: "sub-" + i, class: "sub", x, y: y + (below > 0 ? 50 : -22) }),
    );
  });
  const label = node.name.length > 14 ? node.name.slice(0, 13) + "…" : node.name;
  const room = Math.max(84, 22 + 9 * label.length);
  nodes.push(
    draw("rect", {
      class: "disc self",
      x: cx - room / 2,
      y: cy - 20,
      width: room,
      height: 40,
      rx: 20,
    }),
    draw("text", { class: "self", x: cx, y: cy + 5 }, label),
  );
  svg.replaceChildren(...links, ...nodes);
  // As high as what is drawn: the ring of a few peers is no whole ring.
  svg.setAttribute("viewBox", "0 " + top + " " + width + " " + (bottom - top));
}

/** How much a peer is in need of a look: the first ones are shown first. @param {PeerStatus} peer */
export const need = ({ state, problems }) =>
  ["down", "one-way", "silent"].indexOf(state) >= 0
    ? 0
    : problems.length > 0
    ? 1
    : state === "plain"
    ? 2
    : 3;

/**
 * The map of many peers: what is wrong comes first.
 * @param {Status} status @param {(name: string) => void} open
 */
function showMap({ peers }, open) {
  for (const name of chips.keys()) {
    if (!peers.some((peer) => peer.name === name)) chips.delete(name);
  }
  const sorted = peers.toSorted((a, b) => need(a) - need(b)).slice(0, MAP_MAX);
  hold(
    $("map"),
    sorted.map((peer) => {
      const { name, state, outbound, inbound } = peer;
      const chip = chips.get(name) ??
        button(name, () => open(name), { class: "chip" });
      chips.set(name, chip);
      const bits = outbound.bits_per_second + inbound.bits_per_second;
      const busy = Math.ceil(flowWidth(bits) / 2.4);
      const kind = "chip " + state + (busy > 0 ? " busy-" + busy : "");
      if (chip.className !== kind) chip.className = kind;
      const title = name + ": " + state + (bits >= 1000 ? ", " + rate(bits) : "");
      if (chip.title !== title) chip.title = title;
      return chip;
    }),
  );
  tell($("map-more"), peers.length > MAP_MAX ? peers.length - MAP_MAX + " more peers" : "");
}

/** @param {Status} status @param {(name: string) => void} open */
export function showTopology(status, open) {
  const many = status.peers.length > FEW_PEERS_MAX;
  $("topology").toggleAttribute("hidden", many);
  $("map").hidden = !many;
  if (many) return showMap(status, open);
  const width = Math.max(300, Math.min(1000, $("topology").clientWidth));
  const key = JSON.stringify([width, status.peers.map(({ name }) => name)]);
  if (key !== drawn) buildTopology(status, width);
  drawn = key;
  status.peers.forEach((peer, i) => {
    const { state, outbound, inbound, rtt_ms } = peer;
    $("base-" + i).setAttribute("class", "base " + state);
    $("disc-" + i).setAttribute("class", "disc " + state);
    $("out-" + i).setAttribute("stroke-width", String(flowWidth(outbound.bits_per_second)));
    $("in-" + i).setAttribute("stroke-width", String(flowWidth(inbound.bits_per_second)));
    const sub = document.getElementById("sub-" + i);
    if (sub) {
      sub.textContent = state === "up"
        ? (rtt_ms === null ? "up" : rtt_ms.toFixed(2) + " ms")
        : state;
    }
  });
}

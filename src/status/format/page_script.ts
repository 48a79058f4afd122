/**
 * The script of the status page. Every text of the status goes through
 * textContent: peers choose their own names, and none is markup. Data only.
 */

import { STATUS_WATCH_INTERVAL_MS } from "../../base/limits.ts";

/** JavaScript text; it holds no `</script`. */
export const PAGE_SCRIPT = String.raw`
"use strict";
const INTERVAL_MS = ${STATUS_WATCH_INTERVAL_MS};
const PAST = 120;
const RING_LABELS_MAX = 16;
const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const node = tag.includes(":")
    ? document.createElementNS(SVG, tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.map((child) => child instanceof Node ? child : String(child)));
  return node;
}

function scaled(value, unit) {
  const prefixes = ["", "k", "M", "G", "T", "P"];
  let i = 0;
  while (i < prefixes.length - 1 && Number(value.toPrecision(3)) >= 1000) { value /= 1000; i++; }
  return (i === 0 ? Math.round(value) : value.toPrecision(3)) + " " + prefixes[i] + unit;
}
const rate = (bits) => scaled(bits, "bit/s");
const size = (bytes) => scaled(bytes, "B");
const count = (n) => Math.round(n).toLocaleString("en");
const plural = (n, noun) => n + " " + noun + (n === 1 ? "" : "s");
function duration(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const parts = [[Math.floor(s / 86400), "d"], [Math.floor(s / 3600) % 24, "h"],
    [Math.floor(s / 60) % 60, "m"], [s % 60, "s"]];
  const first = parts.findIndex(([n]) => n > 0);
  return (first < 0 ? parts.slice(3) : parts.slice(first, first + 2)).map(([n, u]) => n + u).join(" ");
}
/** The next of 1, 2, 5, 10, 20, ... */
function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1000)));
  return [1, 2, 5, 10].map((n) => n * power).find((top) => top >= value);
}
const age = (status, time) =>
  time === null ? "never" : duration(Date.parse(status.time) - Date.parse(time));

function fact(name, value, wide) {
  return make("div", wide ? { class: "wide" } : {}, make("dt", {}, name), make("dd", { title: value }, value));
}

/** What was, by peer: [out, in] in bits a second, the latest last. */
const past = new Map();
const cards = new Map();
let drawn = "";

function remember({ peers }) {
  const names = new Set(peers.map(({ name }) => name));
  for (const name of past.keys()) if (!names.has(name)) past.delete(name);
  for (const { name, outbound, inbound } of peers) {
    const values = past.get(name) ?? [];
    values.push([outbound.bits_per_second, inbound.bits_per_second]);
    if (values.length > PAST) values.shift();
    past.set(name, values);
  }
}

function showHead(status) {
  const { node, device, engine, peers } = status;
  const good = node.problems.length === 0;
  document.title = node.name + " - tunnet";
  $("name").textContent = node.name;
  $("health").className = "dot " + (good ? "good" : "bad");
  $("summary").textContent = "up " + duration(node.uptime_seconds * 1000) + ", tunnet " + node.version;
  const mode = device.name + " (" + device.mode + ", MTU " + device.mtu_bytes + ")";
  $("facts").replaceChildren(
    fact("device", mode),
    fact("engine", engine.name + ", " + plural(engine.lanes, "lane")),
    fact("listens", "UDP " + node.listen),
    ...(node.subnets.length > 0 ? [fact("pods", some(node))] : []),
  );
  $("alarm").hidden = good;
  $("alarm").textContent = node.problems.join("; ");
}

/** The first subnets, and how many more there are. */
function some({ subnets, subnet_count }) {
  const shown = subnets.slice(0, 3).join(", ");
  return subnet_count > 3 ? shown + " and " + (subnet_count - 3) + " more" : shown || "none";
}

function tile(kind, value, what) {
  return make("div", { class: "tile " + kind }, make("b", { id: "tile-" + kind }, value), make("span", {}, what));
}

const sum = (tally) => Object.values(tally).reduce((all, n) => all + n, 0);

function showTiles({ outbound, inbound, peers }) {
  const up = peers.filter(({ state }) => state === "up").length;
  const way = (flow) => size(flow.bytes) + " in " + count(flow.packets) + " packets";
  $("tiles").replaceChildren(
    tile("out", rate(outbound.bits_per_second), "out, " + way(outbound)),
    tile("in", rate(inbound.bits_per_second), "in, " + way(inbound)),
    tile("up", up + " of " + peers.length, "peers are up"),
    tile("drops", count(sum(outbound.drops) + sum(inbound.drops)), "packets dropped"),
  );
}

/** Width of a flow: a step for each power of ten from 1 kbit/s on. */
const flowWidth = (bits) => bits < 1000 ? 0 : Math.min(7, 1 + Math.log10(bits / 1000));

/** Builds the drawing for a set of peers; what changes every second is set by showTopology. */
function buildTopology({ node, peers }, width) {
  const svg = $("topology");
  // One unit is one pixel, so that letters have the same size on every screen.
  const [cx, cy, rx, ry] = [width / 2, 190, width / 2 - 70, 138];
  const parts = [[], []];
  const many = peers.length > RING_LABELS_MAX;
  let [top, bottom] = [cy - 45, cy + 45];
  peers.forEach((peer, i) => {
    // The first ones to the right and left, then around.
    const angle = peers.length === 2 ? i * Math.PI : -Math.PI / 2 + 2 * Math.PI * (i + .5) / peers.length;
    const x = cx + rx * Math.cos(peers.length === 1 ? 0 : angle);
    const y = cy + ry * Math.sin(peers.length === 1 ? 0 : angle);
    top = Math.min(top, y - 60);
    bottom = Math.max(bottom, y + 60);
    const bend = (by) => {
      const length = Math.hypot(x - cx, y - cy);
      const [mx, my] = [(cx + x) / 2 - by * (y - cy) / length, (cy + y) / 2 + by * (x - cx) / length];
      return "M" + cx + " " + cy + "Q" + mx + " " + my + " " + x + " " + y;
    };
    parts[0].push(
      make("svg:path", { id: "base-" + i, d: bend(0) }),
      make("svg:path", { id: "out-" + i, class: "flow out", d: bend(-14) }),
      make("svg:path", { id: "in-" + i, class: "flow in", d: bend(14) }),
    );
    const disc = make("svg:circle", { id: "disc-" + i, cx: x, cy: y, r: many ? 7 : 15 });
    disc.append(make("svg:title", {}, peer.name));
    parts[1].push(disc);
    if (many) return;
    const below = y >= cy - 1 ? 1 : -1;
    parts[1].push(
      make("svg:text", { x, y: y + (below > 0 ? 33 : -38) }, peer.name),
      make("svg:text", { id: "sub-" + i, class: "sub", x, y: y + (below > 0 ? 50 : -22) }),
    );
  });
  const label = node.name.length > 14 ? node.name.slice(0, 13) + "…" : node.name;
  const room = Math.max(84, 22 + 9 * label.length);
  parts[1].push(
    make("svg:rect", { class: "disc self", x: cx - room / 2, y: cy - 20, width: room, height: 40, rx: 20 }),
    make("svg:text", { class: "self", x: cx, y: cy + 5 }, label),
  );
  svg.replaceChildren(...parts[0], ...parts[1]);
  // As high as what is drawn: the ring of a few peers is no whole ring.
  svg.setAttribute("viewBox", "0 " + top + " " + width + " " + (bottom - top));
}

function showTopology(status) {
  const width = Math.max(300, Math.min(1000, $("topology").clientWidth));
  const key = JSON.stringify([width, status.peers.map(({ name }) => name)]);
  if (key !== drawn) buildTopology(status, width);
  drawn = key;
  status.peers.forEach((peer, i) => {
    const { state, outbound, inbound, rtt_ms } = peer;
    $("base-" + i).setAttribute("class", "base " + state);
    $("disc-" + i).setAttribute("class", "disc " + state);
    $("out-" + i).setAttribute("stroke-width", flowWidth(outbound.bits_per_second));
    $("in-" + i).setAttribute("stroke-width", flowWidth(inbound.bits_per_second));
    const sub = $("sub-" + i);
    if (sub) sub.textContent = state === "up" ? (rtt_ms === null ? "up" : rtt_ms.toFixed(2) + " ms") : state;
  });
}

function buildCard(name) {
  const chart = make("svg:svg", { viewBox: "0 0 " + (PAST - 1) + " 100", preserveAspectRatio: "none" });
  for (const y of [0, 50, 100]) chart.append(make("svg:line", { class: "grid", x1: 0, x2: PAST - 1, y1: y, y2: y }));
  const part = {
    state: make("span", {}), since: make("span", { class: "since" }), why: make("p", { class: "why" }),
    out: make("b", {}), in: make("b", {}), facts: make("dl", {}),
    top: make("span", { class: "top" }), when: make("span", { class: "when" }),
    paths: ["fill out", "fill in", "out", "in"].map((kind) => make("svg:path", { class: kind })),
    cursor: make("svg:line", { class: "cursor", y1: 0, y2: 100, visibility: "hidden" }),
    pointed: undefined,
  };
  chart.append(...part.paths, part.cursor);
  const box = make("div", { class: "chart", role: "img", "aria-label": "Throughput of the last two minutes" },
    chart, part.top, part.when);
  // Pointing at the chart reads its values.
  box.addEventListener("pointermove", ({ clientX }) => {
    const { left, width } = box.getBoundingClientRect();
    part.pointed = Math.round((clientX - left) / width * (PAST - 1));
    showRates(part, name);
  });
  box.addEventListener("pointerleave", () => { part.pointed = undefined; showRates(part, name); });
  part.card = make("article", { class: "card", "data-peer": name },
    make("h3", {}, make("span", { title: name }, name), part.state, part.since),
    part.why,
    make("div", { class: "rates" },
      make("span", { class: "out" }, part.out, " out"), make("span", { class: "in" }, part.in, " in")),
    box, part.facts);
  return part;
}

/** The rates of now, or of the time that is pointed at. */
function showRates(part, name) {
  const values = past.get(name) ?? [];
  const first = PAST - values.length;
  const at = part.pointed === undefined ? PAST - 1 : Math.max(first, Math.min(PAST - 1, part.pointed));
  const [out, back] = values[at - first] ?? [0, 0];
  part.out.textContent = rate(out);
  part.in.textContent = rate(back);
  part.cursor.setAttribute("visibility", part.pointed === undefined ? "hidden" : "visible");
  part.cursor.setAttribute("x1", at);
  part.cursor.setAttribute("x2", at);
  part.when.textContent = part.pointed === undefined
    ? ""
    : duration((PAST - 1 - at) * INTERVAL_MS) + " ago";
}

function showChart(part, name) {
  const values = past.get(name) ?? [];
  const top = niceTop(Math.max(...values.flat(), 1000));
  const first = PAST - values.length;
  const y = (bits) => (100 - 100 * bits / top).toFixed(2);
  ["out", "in"].forEach((_, way) => {
    const line = values.map((value, i) => (first + i) + " " + y(value[way])).join("L");
    part.paths[2 + way].setAttribute("d", "M" + line);
    part.paths[way].setAttribute("d", "M" + first + " 100L" + line + "L" + (PAST - 1) + " 100Z");
  });
  part.top.textContent = rate(top);
}

function showCard(status, peer) {
  if (!cards.has(peer.name)) cards.set(peer.name, buildCard(peer.name));
  const part = cards.get(peer.name);
  part.state.className = "state " + peer.state;
  part.state.textContent = peer.state;
  part.since.textContent = (peer.state === "silent" ? "heard " : "for ") + age(status, peer.since) +
    (peer.state === "silent" ? " ago" : "");
  part.why.className = "why " + peer.state;
  part.why.textContent = [peer.why, ...peer.problems].filter((text) => text !== null).join("; ");
  showChart(part, peer.name);
  showRates(part, peer.name);
  const at = peer.address ?? peer.host;
  part.facts.replaceChildren(
    fact("round trip", peer.rtt_ms === null || peer.state !== "up" ? "-" : peer.rtt_ms.toFixed(2) + " ms"),
    fact("loss", peer.loss === null ? "-" : Math.round(peer.loss * 100) + " %"),
    fact("seen", peer.last_seen === null ? "never" : age(status, peer.last_seen) + " ago"),
    fact("sent", size(peer.outbound.bytes)),
    fact("received", size(peer.inbound.bytes)),
    fact("version", peer.version ?? "-"),
    fact("address", (at.includes(":") ? "[" + at + "]" : at) + ":" + peer.port, true),
    fact("pods", some(peer) + (peer.is_default ? " (default)" : ""), true),
  );
  return part.card;
}

function showPeers(status) {
  const names = new Set(status.peers.map(({ name }) => name));
  for (const name of cards.keys()) if (!names.has(name)) cards.delete(name);
  const wanted = status.peers.map((peer) => showCard(status, peer));
  const box = $("peers");
  // Moved only when they have changed: a card that is pointed at must stay.
  if (wanted.length !== box.children.length || wanted.some((card, i) => box.children[i] !== card)) {
    box.replaceChildren(...wanted);
  }
}

function showDrops(status) {
  const rows = ["outbound", "inbound"].flatMap((direction) =>
    Object.entries(status[direction].drops).filter(([, n]) => n > 0)
      .map(([reason, n]) => ({ direction, reason: reason.replaceAll("_", " "), n })));
  if (rows.length === 0) return $("drops").replaceChildren(make("p", { class: "none" }, "None since the start."));
  rows.sort((a, b) => b.n - a.n);
  const bar = (n) => {
    const line = make("i");
    line.style.width = Math.max(2, 100 * n / rows[0].n) + "%";
    return line;
  };
  $("drops").replaceChildren(make("table", {},
    make("tr", {}, make("th", {}, "reason"), make("th", {}, "way"), make("th", {}), make("th", { class: "number" }, "packets")),
    ...rows.map(({ direction, reason, n }) => make("tr", {},
      make("td", {}, reason), make("td", {}, direction),
      make("td", { class: "bar" }, bar(n)), make("td", { class: "number" }, count(n))))));
}

async function look() {
  try {
    const answer = await fetch("/status.json", { cache: "no-store" });
    if (!answer.ok) throw new Error("status " + answer.status);
    const status = await answer.json();
    remember(status);
    showHead(status);
    showTiles(status);
    showTopology(status);
    showPeers(status);
    showDrops(status);
  } catch (error) {
    $("health").className = "dot bad";
    $("alarm").hidden = false;
    $("alarm").textContent = "The node does not answer (" + error.message + "). What stands here is old.";
  }
  setTimeout(look, INTERVAL_MS);
}
look();
`;

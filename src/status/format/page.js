/// <reference lib="dom" />
// @ts-check
/**
 * The script of the status page. Every text of the status goes through
 * textContent: peers choose their own names, and none is markup.
 */
"use strict";
const INTERVAL_MS = Number(document.body.dataset.intervalMs);
/** Seconds that a chart shows. */
const PAST = 120;
/** With more peers than this, the ring has no labels. */
const RING_LABELS_MAX = 16;
const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {import("../model/types.ts").Status} Status
 * @typedef {import("../model/types.ts").PeerStatus} PeerStatus
 * @typedef {Record<string, string | number>} Attributes
 * @typedef {(Node | string)[]} Children
 * @typedef {ReturnType<typeof buildCard>} Card
 */

/** The element of the page that has this id. @param {string} id */
const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @template {Element} E @param {E} node @param {Attributes} attributes @param {Children} children */
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/** A new element of HTML. @param {string} tag @param {Attributes} attributes @param {Children} children */
const make = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);

/** A new element of SVG. @param {string} tag @param {Attributes} attributes @param {Children} children */
const draw = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

/** @param {number} value @param {string} unit */
function scaled(value, unit) {
  const prefixes = ["", "k", "M", "G", "T", "P"];
  let i = 0;
  while (i < prefixes.length - 1 && Number(value.toPrecision(3)) >= 1000) {
    value /= 1000;
    i++;
  }
  return (i === 0 ? Math.round(value) : value.toPrecision(3)) + " " + prefixes[i] + unit;
}
/** @param {number} bits */
const rate = (bits) => scaled(bits, "bit/s");
/** @param {number} bytes */
const size = (bytes) => scaled(bytes, "B");
/** @param {number} n */
const count = (n) => Math.round(n).toLocaleString("en");
/** @param {number} n @param {string} noun */
const plural = (n, noun) => n + " " + noun + (n === 1 ? "" : "s");

/** `3d 4h`, `5m 6s`, `7s`: the two largest units. @param {number} ms */
function duration(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const counts = [
    Math.floor(s / 86400),
    Math.floor(s / 3600) % 24,
    Math.floor(s / 60) % 60,
    s % 60,
  ];
  const first = counts.findIndex((n) => n > 0);
  const parts = counts.map((n, i) => n + "dhms".charAt(i));
  return (first < 0 ? parts.slice(3) : parts.slice(first, first + 2)).join(" ");
}

/** The next of 1, 2, 5, 10, 20, ... @param {number} value */
function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1000)));
  return power * ([1, 2, 5].find((n) => n * power >= value) ?? 10);
}

/** @param {Status} status @param {string | null} time */
const age = (status, time) =>
  time === null ? "never" : duration(Date.parse(status.time) - Date.parse(time));

/** @param {string} name @param {string} value @param {boolean} wide */
function fact(name, value, wide = false) {
  return make(
    "div",
    wide ? { class: "wide" } : {},
    make("dt", {}, name),
    make("dd", { title: value }, value),
  );
}

/**
 * What was, by peer: [out, in] in bits a second, the latest last.
 * @type {Map<string, [number, number][]>}
 */
const past = new Map();
/** @type {Map<string, Card>} */
const cards = new Map();
/** What the topology shows: its width and its peers. */
let drawn = "";

/** @param {Status} status */
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

/** @param {Status} status */
function showHead(status) {
  const { node, device, engine } = status;
  const good = node.problems.length === 0;
  document.title = node.name + " - tunnet";
  $("name").textContent = node.name;
  $("health").className = "dot " + (good ? "good" : "bad");
  $("summary").textContent = "up " + duration(node.uptime_seconds * 1000) + ", tunnet " +
    node.version;
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

/** The first subnets, and how many more there are. @param {Pick<PeerStatus, "subnets" | "subnet_count">} owner */
function some({ subnets, subnet_count }) {
  const shown = subnets.slice(0, 3).join(", ");
  return subnet_count > 3 ? shown + " and " + (subnet_count - 3) + " more" : shown || "none";
}

/** @param {string} kind @param {string} value @param {string} what */
function tile(kind, value, what) {
  return make(
    "div",
    { class: "tile " + kind },
    make("b", { id: "tile-" + kind }, value),
    make("span", {}, what),
  );
}

/** @param {Readonly<Record<string, number>>} tally */
const sum = (tally) => Object.values(tally).reduce((all, n) => all + n, 0);

/** @param {Status} status */
function showTiles({ outbound, inbound, peers }) {
  const up = peers.filter(({ state }) => state === "up").length;
  /** @param {Status["outbound"]} flow */
  const way = (flow) => size(flow.bytes) + " in " + count(flow.packets) + " packets";
  $("tiles").replaceChildren(
    tile("out", rate(outbound.bits_per_second), "out, " + way(outbound)),
    tile("in", rate(inbound.bits_per_second), "in, " + way(inbound)),
    tile("up", up + " of " + peers.length, "peers are up"),
    tile("drops", count(sum(outbound.drops) + sum(inbound.drops)), "packets dropped"),
  );
}

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
  const many = peers.length > RING_LABELS_MAX;
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
    const disc = draw("circle", { id: "disc-" + i, cx: x, cy: y, r: many ? 7 : 15 });
    disc.append(draw("title", {}, peer.name));
    nodes.push(disc);
    if (many) return;
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

/** @param {Status} status */
function showTopology(status) {
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

/** The card of a peer, and its parts that change. @param {string} name */
function buildCard(name) {
  const chart = draw("svg", {
    viewBox: "0 0 " + (PAST - 1) + " 100",
    preserveAspectRatio: "none",
  });
  for (const y of [0, 50, 100]) {
    chart.append(draw("line", { class: "grid", x1: 0, x2: PAST - 1, y1: y, y2: y }));
  }
  const part = {
    state: make("span", {}),
    since: make("span", { class: "since" }),
    why: make("p", { class: "why" }),
    out: make("b", {}),
    in: make("b", {}),
    facts: make("dl", {}),
    top: make("span", { class: "top" }),
    when: make("span", { class: "when" }),
    areas: ["fill out", "fill in"].map((kind) => draw("path", { class: kind })),
    lines: ["out", "in"].map((kind) => draw("path", { class: kind })),
    cursor: draw("line", { class: "cursor", y1: 0, y2: 100, visibility: "hidden" }),
    /** Which of the seconds is pointed at. @type {number | undefined} */
    pointed: undefined,
    card: make("article", { class: "card", "data-peer": name }),
  };
  chart.append(...part.areas, ...part.lines, part.cursor);
  const box = make(
    "div",
    { class: "chart", role: "img", "aria-label": "Throughput of the last two minutes" },
    chart,
    part.top,
    part.when,
  );
  // Pointing at the chart reads its values.
  box.addEventListener("pointermove", ({ clientX }) => {
    const { left, width } = box.getBoundingClientRect();
    part.pointed = Math.round((clientX - left) / width * (PAST - 1));
    showRates(part, name);
  });
  box.addEventListener("pointerleave", () => {
    part.pointed = undefined;
    showRates(part, name);
  });
  part.card.append(
    make("h3", {}, make("span", { title: name }, name), part.state, part.since),
    part.why,
    make(
      "div",
      { class: "rates" },
      make("span", { class: "out" }, part.out, " out"),
      make("span", { class: "in" }, part.in, " in"),
    ),
    box,
    part.facts,
  );
  return part;
}

/** The rates of now, or of the time that is pointed at. @param {Card} part @param {string} name */
function showRates(part, name) {
  const values = past.get(name) ?? [];
  const first = PAST - values.length;
  const at = part.pointed === undefined
    ? PAST - 1
    : Math.max(first, Math.min(PAST - 1, part.pointed));
  const [out, back] = values[at - first] ?? [0, 0];
  part.out.textContent = rate(out);
  part.in.textContent = rate(back);
  part.cursor.setAttribute("visibility", part.pointed === undefined ? "hidden" : "visible");
  part.cursor.setAttribute("x1", String(at));
  part.cursor.setAttribute("x2", String(at));
  part.when.textContent = part.pointed === undefined
    ? ""
    : duration((PAST - 1 - at) * INTERVAL_MS) + " ago";
}

/** @param {Card} part @param {string} name */
function showChart(part, name) {
  const values = past.get(name) ?? [];
  const top = niceTop(Math.max(...values.flat(), 1000));
  const first = PAST - values.length;
  /** @param {number} bits */
  const y = (bits) => (100 - 100 * bits / top).toFixed(2);
  for (const way of /** @type {const} */ ([0, 1])) {
    const line = values.map((value, i) => (first + i) + " " + y(value[way])).join("L");
    part.lines[way]?.setAttribute("d", "M" + line);
    part.areas[way]?.setAttribute("d", "M" + first + " 100L" + line + "L" + (PAST - 1) + " 100Z");
  }
  part.top.textContent = rate(top);
}

/** @param {Status} status @param {PeerStatus} peer */
function showCard(status, peer) {
  const part = cards.get(peer.name) ?? buildCard(peer.name);
  cards.set(peer.name, part);
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
    fact(
      "round trip",
      peer.rtt_ms === null || peer.state !== "up" ? "-" : peer.rtt_ms.toFixed(2) + " ms",
    ),
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

/** @param {Status} status */
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

/** @param {Status} status */
function showDrops(status) {
  const rows = /** @type {const} */ (["outbound", "inbound"]).flatMap((direction) =>
    Object.entries(status[direction].drops).filter(([, n]) => n > 0)
      .map(([reason, n]) => ({ direction, reason: reason.replaceAll("_", " "), n }))
  );
  if (rows.length === 0) {
    return $("drops").replaceChildren(make("p", { class: "none" }, "None since the start."));
  }
  rows.sort((a, b) => b.n - a.n);
  const most = Math.max(...rows.map(({ n }) => n));
  /** A bar as long as its share of the longest. @param {number} n */
  const bar = (n) => {
    const line = make("i");
    line.style.width = Math.max(2, 100 * n / most) + "%";
    return line;
  };
  $("drops").replaceChildren(
    make(
      "table",
      {},
      make(
        "tr",
        {},
        make("th", {}, "reason"),
        make("th", {}, "way"),
        make("th", {}),
        make("th", { class: "number" }, "packets"),
      ),
      ...rows.map(({ direction, reason, n }) =>
        make(
          "tr",
          {},
          make("td", {}, reason),
          make("td", {}, direction),
          make("td", { class: "bar" }, bar(n)),
          make("td", { class: "number" }, count(n)),
        )
      ),
    ),
  );
}

async function look() {
  try {
    const answer = await fetch("/status.json", { cache: "no-store" });
    if (!answer.ok) throw new Error("status " + answer.status);
    /** @type {Status} */
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
    $("alarm").textContent = "The node does not answer (" +
      (error instanceof Error ? error.message : error) + "). What is shown here is old.";
  }
  setTimeout(look, INTERVAL_MS);
}
look();

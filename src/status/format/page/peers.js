// @ts-check
import { Chart, sparkPath } from "./chart.js";
import { $, button, draw, hold, make, tell } from "./dom.js";
import { FEW_PEERS_MAX, need } from "./topology.js";
import { count, duration, niceTop, rate, size } from "./units.js";
import { wayText } from "./way.js";

/**
 * The peers: a card of each, or from 17 on a table with a search, and the card of the one that is
 * opened.
 *
 * @typedef {import("../../model/types.ts").Status} Status
 * @typedef {import("../../model/types.ts").PeerStatus} PeerStatus
 * @typedef {import("../../histories.ts").HistoryAnswer} HistoryAnswer
 * @typedef {ReturnType<typeof buildCard>} Card
 * @typedef {ReturnType<typeof buildRow>} Row
 */

/** Rows that are shown; the search finds the others. */
const ROWS_MAX = 500;

/** @type {Map<string, Card>} */
const cards = new Map();
/** @type {Map<string, Row>} */
const rows = new Map();
/** The peer whose row is open. @type {string | undefined} */
let opened;
/** @type {Status | undefined} */
let status;
/** @type {HistoryAnswer | undefined} */
let history;
/** Called when the past of another peer is to be shown. */
let onOpen = () => {};

/** The peer whose past is wanted by itself. */
export const openedPeer = () => opened;

/** The first subnets, and how many more there are. @param {Pick<PeerStatus, "subnets" | "subnet_count">} owner */
export function some({ subnets, subnet_count }) {
  const first = subnets.slice(0, 3).join(", ");
  return subnet_count > 3 ? first + " and " + (subnet_count - 3) + " more" : first || "none";
}

/** @param {Status} status @param {string | null} time */
const age = (status, time) =>
  time === null ? "never" : duration(Date.parse(status.time) - Date.parse(time));

/** @param {string} name @param {string} value */
export const fact = (name, value, wide = false) =>
  make(
    "div",
    wide ? { class: "wide" } : {},
    make("dt", {}, name),
    make("dd", { title: value }, value),
  );

/** @param {PeerStatus} peer */
const roundTrip = ({ rtt_ms, state }) =>
  rtt_ms === null || state !== "up" ? "-" : rtt_ms.toFixed(2) + " ms";

/** @param {PeerStatus} peer */
const dropsOf = ({ dropped }) => dropped.outbound + dropped.inbound;

/** @param {string} name */
function buildCard(name) {
  const part = {
    state: make("span", {}),
    since: make("span", { class: "since" }),
    why: make("p", { class: "why" }),
    out: make("b", {}),
    in: make("b", {}),
    facts: make("dl", {}),
    chart: new Chart({
      label: "Traffic of " + name,
      kinds: ["out", "in"],
      names: ["out", "in"],
      ...{ unit: "bit/s", least: 1000, text: rate },
    }),
    card: make("article", { class: "card", "data-peer": name }),
  };
  part.card.append(
    make("h3", {}, make("span", { title: name }, name), part.state, part.since),
    part.why,
    make(
      "div",
      { class: "rates" },
      make("span", { class: "out" }, part.out, " out"),
      make("span", { class: "in" }, part.in, " in"),
    ),
    part.chart.root,
    part.facts,
  );
  return part;
}

/** @param {Status} status @param {PeerStatus} peer */
function showCard(status, peer) {
  const part = cards.get(peer.name) ?? buildCard(peer.name);
  cards.set(peer.name, part);
  part.state.className = "state " + peer.state;
  tell(part.state, peer.state);
  const since = age(status, peer.since);
  tell(part.since, peer.state === "silent" ? "heard " + since + " ago" : "for " + since);
  part.why.className = "why " + peer.state;
  tell(part.why, [peer.why, ...peer.problems].filter((text) => text !== null).join("; "));
  tell(part.out, rate(peer.outbound.bits_per_second));
  tell(part.in, rate(peer.inbound.bits_per_second));
  const at = peer.address ?? peer.host;
  const session = peer.session_age_seconds;
  part.facts.replaceChildren(
    fact("round trip", roundTrip(peer)),
    fact("loss", peer.loss === null ? "-" : Math.round(peer.loss * 100) + " %"),
    fact("seen", peer.last_seen === null ? "never" : age(status, peer.last_seen) + " ago"),
    fact("goes by", wayText(peer.transport)),
    fact("path MTU", peer.path_mtu_bytes === null ? "-" : String(peer.path_mtu_bytes)),
    fact("dropped", count(dropsOf(peer))),
    fact("sent", size(peer.outbound.bytes)),
    fact("received", size(peer.inbound.bytes)),
    fact("version", peer.version ?? "-"),
    ...(session === null ? [] : [fact("session", duration(session * 1000) + " old")]),
    fact("address", (at.includes(":") ? "[" + at + "]" : at) + ":" + peer.port, true),
    fact("pods", some(peer) + (peer.is_default ? " (default)" : ""), true),
  );
  return part.card;
}

/** Opens the row of a peer, or closes it. @param {string} name */
export function openPeer(name, toggle = false) {
  const search = /** @type {HTMLInputElement} */ ($("search"));
  opened = toggle && opened === name ? undefined : name;
  if (!toggle) search.value = "";
  render();
  onOpen();
  if (!toggle) rows.get(name)?.row.scrollIntoView({ block: "center" });
}

/** @param {string} name */
function buildRow(name) {
  const spark = draw("path", {});
  const cell = (kind = "") => make("td", kind ? { class: kind } : {});
  const part = {
    open: button(name, () => openPeer(name, true), { class: "open", "aria-expanded": "false" }),
    state: make("span", {}),
    cells: {
      way: cell("mid"),
      rtt: cell("number mid"),
      loss: cell("number wide-only"),
      out: cell("number out"),
      in: cell("number in"),
      dropped: cell("number mid"),
      mtu: cell("number wide-only"),
    },
    spark,
    row: make("tr", { "data-peer": name }),
    detail: make("td", { colspan: 9 }),
    below: make("tr", { class: "below" }),
  };
  const { way, rtt, loss, out, dropped, mtu } = part.cells;
  part.row.append(
    make("th", { scope: "row" }, part.open),
    make("td", {}, part.state),
    ...[way, rtt, loss, out, part.cells.in],
    make(
      "td",
      { class: "spark mid" },
      draw(
        "svg",
        { viewBox: "0 0 30 21", preserveAspectRatio: "none", "aria-hidden": "true" },
        spark,
      ),
    ),
    ...[dropped, mtu],
  );
  part.detail.setAttribute("colspan", "10");
  part.below.append(part.detail);
  return part;
}

/** @param {Status} status @param {PeerStatus} peer @param {number} top */
function showRow(status, peer, top) {
  const { name, state, loss, outbound, inbound, path_mtu_bytes, transport } = peer;
  const part = rows.get(name) ?? buildRow(name);
  rows.set(name, part);
  part.state.className = "state " + state;
  tell(part.state, state);
  const { cells } = part;
  tell(cells.way, wayText(transport));
  tell(cells.rtt, roundTrip(peer));
  tell(cells.loss, loss === null ? "-" : Math.round(loss * 100) + " %");
  tell(cells.out, rate(outbound.bits_per_second));
  tell(cells.in, rate(inbound.bits_per_second));
  tell(cells.dropped, dropsOf(peer) === 0 ? "-" : count(dropsOf(peer)));
  tell(cells.mtu, path_mtu_bytes === null ? "-" : String(path_mtu_bytes));
  part.spark.setAttribute("d", sparkPath(history?.sketches[name] ?? [], top));
  const open = name === opened;
  part.open.setAttribute("aria-expanded", String(open));
  if (!open) return [part.row];
  hold(part.detail, [showCard(status, peer)]);
  return [part.row, part.below];
}

/** What a search may find of a peer. @param {PeerStatus} peer */
const wordsOf = (peer) =>
  [peer.name, peer.state, peer.host, peer.address ?? "", wayText(peer.transport), ...peer.subnets]
    .join(" ").toLowerCase();

/** @param {Status} status */
function showTable(status) {
  const wanted = /** @type {HTMLInputElement} */ ($("search")).value.trim().toLowerCase();
  const found = status.peers.filter((peer) =>
    wanted.split(/\s+/).every((word) => wordsOf(peer).includes(word))
  ).toSorted((a, b) => need(a) - need(b));
  const kept = found.slice(0, ROWS_MAX);
  if (opened !== undefined && !kept.some(({ name }) => name === opened)) {
    kept.push(...found.filter(({ name }) => name === opened));
  }
  const top = niceTop(Math.max(0, ...Object.values(history?.sketches ?? {}).flat()), 1000);
  hold($("rows"), kept.flatMap((peer) => showRow(status, peer, top)));
  tell(
    $("found"),
    (wanted ? found.length + " of " + status.peers.length + " found" : "") +
      (found.length > kept.length ? ", " + kept.length + " shown" : ""),
  );
}

function render() {
  if (!status) return;
  const now = status;
  const { peers } = now;
  const names = new Set(peers.map(({ name }) => name));
  for (const known of [cards, rows]) {
    for (const name of known.keys()) if (!names.has(name)) known.delete(name);
  }
  const many = peers.length > FEW_PEERS_MAX;
  $("peer-table").hidden = !many;
  $("cards").hidden = many;
  if (many) showTable(now);
  else {
    const sorted = peers.toSorted((a, b) => need(a) - need(b));
    hold($("cards"), sorted.map((peer) => showCard(now, peer)));
  }
  showCharts();
}

/** The past of each card that is shown; with a common scale, one as high as the other. */
function showCharts() {
  if (!history) return;
  const { end_ms, interval_ms, slots } = axisOf(history);
  const common = /** @type {HTMLInputElement} */ ($("common")).checked;
  const past = history.peers;
  const series = new Map([...cards.keys()].map((name) => {
    const { outbound = [], inbound = [] } = past[name] ?? {};
    return [name, [[...outbound], [...inbound]]];
  }));
  const peak = Math.max(0, ...[...series.values()].flat(2).map((value) => value ?? 0));
  for (const [name, { chart }] of cards) {
    chart.show(series.get(name) ?? [], { end_ms, interval_ms, slots }, common ? peak : undefined);
  }
}

/** The time axis of an answer. @param {HistoryAnswer} answer */
export const axisOf = ({ time, interval_seconds, span_seconds }) => ({
  end_ms: Date.parse(time),
  interval_ms: interval_seconds * 1000,
  slots: Math.round(span_seconds / interval_seconds),
});

/** @param {Status} now */
export function showPeers(now) {
  status = now;
  render();
}

/** @param {HistoryAnswer} past */
export function showPeersPast(past) {
  history = past;
  render();
}

/** @param {() => void} listener */
export function setUpPeers(listener) {
  onOpen = listener;
  $("search").addEventListener("input", render);
  $("common").addEventListener("change", render);
}

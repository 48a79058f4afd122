// @ts-check
import { Chart } from "./chart.js";
import { $, make, tell } from "./dom.js";
import { showDrops } from "./drops.js";
import { showEvents } from "./events.js";
import {
  axisOf,
  fact,
  openedPeer,
  openPeer,
  setUpPeers,
  showPeers,
  showPeersPast,
  some,
} from "./peers.js";
import { showProblems } from "./problems.js";
import { showTopology } from "./topology.js";
import { offerFilters, setUpTrace } from "./trace.js";
import { count, duration, plural, rate, size } from "./units.js";
import { showWay } from "./way.js";

/**
 * The page asks the node again and again, and draws what it gets. It keeps no past of its own: the
 * node has it, also after the page was loaded again.
 *
 * @typedef {import("../../model/types.ts").Status} Status
 * @typedef {import("../../histories.ts").HistoryAnswer} HistoryAnswer
 */

const INTERVAL_MS = Number(document.body.dataset.intervalMs);
/** Problems and events do not change as fast as rates. */
const SLOW_MS = 3 * INTERVAL_MS;

/** @type {Status | undefined} */
let status;
/** @type {HistoryAnswer | undefined} */
let past;
/** Seconds of the past that are shown. */
let span = "300";
/** When the past was asked for. */
let asked_ms = 0;
let slow_ms = 0;

const traffic = new Chart({
  label: "Traffic of all peers",
  kinds: ["out", "in"],
  names: ["out", "in"],
  ...{ unit: "bit/s", least: 1000, text: rate },
});

/** @param {string} path */
async function ask(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) throw new Error("status " + answer.status);
  return await answer.json();
}

/** @param {Status} status */
function showHead({ node, device, engine, etcd, network }) {
  document.title = node.name + " - tunnet";
  tell($("name"), node.name);
  $("health").className = "dot " + (node.problems.length === 0 ? "good" : "bad");
  tell($("summary"), "up " + duration(node.uptime_seconds * 1000) + ", tunnet " + node.version);
  const mode = device.name + " (" + device.mode + ", MTU " + device.mtu_bytes + ")";
  $("facts").replaceChildren(
    fact("device", mode),
    fact("engine", engine.name + ", " + plural(engine.lanes, "lane")),
    fact("listens", "UDP " + node.listen),
    ...(node.subnets.length > 0 ? [fact("pods", some(node))] : []),
    ...(network.length > 0 ? [fact("network", network.join(", "))] : []),
    ...(etcd ? [fact("etcd", etcd.endpoint + (etcd.connected ? "" : " (away)"))] : []),
  );
}

/** @param {Record<string, number>} tally */
const sum = (tally) => Object.values(tally).reduce((all, n) => all + n, 0);

/** @param {string} kind @param {string} value @param {string} what */
function showTile(kind, value, what) {
  if (!document.getElementById("tile-" + kind)) {
    $("tiles").append(
      make(
        "div",
        { class: "tile " + kind },
        make("b", { id: "tile-" + kind }),
        make("span", { id: "of-" + kind }),
      ),
    );
  }
  tell($("tile-" + kind), value);
  tell($("of-" + kind), what);
}

/** @param {Status} status */
function showTiles({ outbound, inbound, peers }) {
  const up = peers.filter(({ state }) => state === "up").length;
  /** @param {Status["outbound"]} flow */
  const way = (flow) => size(flow.bytes) + " in " + count(flow.packets) + " packets";
  showTile("out", rate(outbound.bits_per_second), "out, " + way(outbound));
  showTile("in", rate(inbound.bits_per_second), "in, " + way(inbound));
  showTile("up", up + " of " + peers.length, "peers are up");
  showTile("drops", count(sum(outbound.drops) + sum(inbound.drops)), "packets dropped");
}

function showPast() {
  if (!past) return;
  traffic.show([[...past.total.outbound], [...past.total.inbound]], axisOf(past));
  showPeersPast(past);
  if (status) showDrops(status, past);
}

async function askPast() {
  asked_ms = performance.now();
  const query = "/history.json?span=" + span;
  /** @type {HistoryAnswer} */
  const all = await ask(query);
  const open = openedPeer();
  /** @type {HistoryAnswer | undefined} */
  const one = open === undefined
    ? undefined
    : await ask(query + "&peer=" + encodeURIComponent(open));
  if (String(all.span_seconds) !== span) return;
  past = { ...all, peers: { ...all.peers, ...one?.peers } };
  showPast();
}

async function askSlowly() {
  slow_ms = performance.now();
  showProblems(await ask("/findings.json"));
  showEvents(await ask("/events.json"));
}

async function look() {
  const now_ms = performance.now();
  status = /** @type {Status} */ (await ask("/status.json"));
  showHead(status);
  showTiles(status);
  showWay(status);
  showTopology(status, openPeer);
  showPeers(status);
  showDrops(status, past);
  offerFilters(status.peers.map(({ name }) => name), Object.keys(status.outbound.drops));
  // As often as the node has more to tell.
  const due_ms = past ? past.interval_seconds * 1000 : 0;
  if (now_ms - asked_ms >= due_ms) await askPast();
  if (now_ms - slow_ms >= SLOW_MS || slow_ms === 0) await askSlowly();
}

/** Asks again and again, while anybody looks. */
async function keepLooking() {
  try {
    if (!document.hidden) await look();
    $("alarm").hidden = true;
  } catch (error) {
    $("health").className = "dot bad";
    $("alarm").hidden = false;
    tell(
      $("alarm"),
      "The node does not answer (" + (error instanceof Error ? error.message : error) +
        "). What is shown here is old.",
    );
  }
  setTimeout(keepLooking, INTERVAL_MS);
}

$("traffic").append(traffic.root);
setUpTrace();
setUpPeers(() => void askPast().catch(() => {}));
for (const one of document.querySelectorAll("input[name=span]")) {
  one.addEventListener("change", () => {
    span = /** @type {HTMLInputElement} */ (one).value;
    askPast().catch(() => {});
  });
}
$("urgent").addEventListener("change", () => void askSlowly().catch(() => {}));
keepLooking();

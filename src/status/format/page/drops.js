// @ts-check
import { Chart } from "./chart.js";
import { $, button, hold, make, tell } from "./dom.js";
import { axisOf } from "./peers.js";
import { startTrace } from "./trace.js";
import { count, pace } from "./units.js";

/**
 * Drops over time by reason, what each means, and whose packets they are.
 *
 * @typedef {import("../../model/types.ts").Status} Status
 * @typedef {import("../../histories.ts").HistoryAnswer} HistoryAnswer
 * @typedef {ReturnType<typeof build>} Row
 */

/** What each reason means, as the page was given it. @type {Record<string, { means: string, hint: string }>} */
const MEANINGS = JSON.parse($("meanings").textContent ?? "{}");

/** Peers that are named. */
const NAMED_MAX = 5;

/** @type {Map<string, Row>} */
const rows = new Map();

/** @param {"outbound" | "inbound"} direction @param {string} reason */
function build(direction, reason) {
  const { means, hint } = MEANINGS[reason] ?? { means: "went no further", hint: "" };
  const title = reason.replaceAll("_", " ");
  const part = {
    total: make("b", {}),
    lately: make("span", { class: "soft" }),
    chart: new Chart({
      label: "Dropped: " + title + ", " + direction,
      ...{ kinds: ["lost"], names: ["dropped"], unit: "/s", least: 1, text: pace, small: true },
    }),
    row: make("li", { class: "drop", "data-drop": direction + " " + reason }),
  };
  part.row.append(
    make(
      "div",
      {},
      make("p", {}, make("b", {}, title), " ", make("span", { class: "tag" }, direction)),
      make(
        "p",
        { class: "soft" },
        "The packet " + means + (hint ? ". Look at: " + hint : "") + ".",
      ),
      button("Trace them", () => startTrace(reason), { class: "small" }),
    ),
    make("p", { class: "tally" }, part.total, part.lately),
    part.chart.root,
  );
  return part;
}

/** @param {Status} status */
function showWhose({ peers }) {
  const whose = peers.map(({ name, dropped }) => ({ name, n: dropped.outbound + dropped.inbound }))
    .filter(({ n }) => n > 0).sort((a, b) => b.n - a.n);
  const named = whose.slice(0, NAMED_MAX).map(({ name, n }) => name + " " + count(n)).join(", ");
  const more = whose.length > NAMED_MAX ? " and " + (whose.length - NAMED_MAX) + " more" : "";
  tell($("drops-of"), named ? "Of packets to or from: " + named + more + "." : "");
}

/** @param {Status} status @param {HistoryAnswer | undefined} past */
export function showDrops(status, past) {
  const found = /** @type {const} */ (["outbound", "inbound"]).flatMap((direction) =>
    Object.entries(status[direction].drops).filter(([, n]) => n > 0)
      .map(([reason, n]) => ({ direction, reason, n }))
  ).sort((a, b) => b.n - a.n);
  hold(
    $("drops"),
    found.map(({ direction, reason, n }) => {
      const key = direction + " " + reason;
      const part = rows.get(key) ?? build(direction, reason);
      rows.set(key, part);
      tell(part.total, count(n));
      if (!past) return part.row;
      const drops = past.drops.find((one) => one.direction === direction && one.reason === reason);
      const values = drops ? [...drops.packets] : past.total.outbound.map((value) => value && 0);
      part.chart.show([values], axisOf(past));
      const now = values.at(-1) ?? 0;
      tell(part.lately, now > 0 ? pace(now) + " now" : "since the start");
      return part.row;
    }),
  );
  $("no-drops").hidden = found.length > 0;
  showWhose(status);
}

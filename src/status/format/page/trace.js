// @ts-check
import { $, make, tell } from "./dom.js";
import { count } from "./units.js";

/**
 * Packets as they go by, with what becomes of them. Nothing is asked for until it is started, and a
 * bounded number of lines is kept.
 */

/** Lines that are kept. */
const LINES_MAX = 500;
/** Lines that are drawn at a time: more than anybody reads. */
const DRAW_MAX = 200;
/** How often they are drawn. */
const DRAW_MS = 250;
/** A line without an end is no line. */
const LINE_MAX = 100_000;

/** @type {AbortController | undefined} */
let running;
/** Lines that wait to be drawn. @type {Record<string, unknown>[]} */
let waiting = [];
let seen = 0;
let lost = 0;

const input = () => /** @type {HTMLInputElement} */ ($("trace-filter"));

/** @param {string} text @param {boolean} bad */
function note(text, bad = false) {
  tell($("trace-note"), text);
  $("trace-note").className = bad ? "bad" : "soft";
}

/** @param {Record<string, unknown>} line */
function build(line) {
  const { text = "", dropped, to, from } = line;
  const verdict = dropped !== undefined
    ? "dropped: " + dropped
    : to !== undefined
    ? "to " + to
    : from !== undefined
    ? "from " + from
    : "answer";
  const kind = dropped !== undefined ? "dropped" : to !== undefined ? "out" : "in";
  return make(
    "li",
    { class: kind },
    make("span", { class: "verdict" }, verdict),
    make("span", { class: "packet" }, String(text)),
  );
}

function drawLines() {
  const list = $("trace-lines");
  // What nobody could read in between is counted, not drawn.
  const lines = waiting.slice(-DRAW_MAX);
  waiting = [];
  list.prepend(...lines.reverse().map(build));
  while (list.children.length > LINES_MAX) list.lastElementChild?.remove();
  const missed = lost > 0 ? ", " + count(lost) + " came too fast" : "";
  if (running) note(count(seen) + " packets" + missed);
}

/** @param {string} text */
function take(text) {
  /** @type {Record<string, unknown>} */
  const line = JSON.parse(text);
  if (typeof line.lost === "number") lost = line.lost;
  else if (line.problem) throw new Error(problemText(line.problem));
  else {
    seen++;
    waiting.push(line);
    if (waiting.length > LINES_MAX) waiting.shift();
  }
}

/** @param {unknown} problem */
function problemText(problem) {
  const { what, why, how } = /** @type {{ what: string, why?: string, how?: string }} */ (problem);
  return what + (why ? " (" + why + ")" : "") + (how ? "; try: " + how : "");
}

/** @param {Response} answer */
async function refusal(answer) {
  const text = await answer.text();
  try {
    return problemText(JSON.parse(text));
  } catch {
    return text.trim();
  }
}

/** @param {AbortController} control */
async function follow(control) {
  const filter = input().value.trim();
  const query = filter ? "?filter=" + encodeURIComponent(filter) : "";
  const answer = await fetch("/trace" + query, {
    headers: { "x-tunnet": "1" },
    signal: control.signal,
    cache: "no-store",
  });
  if (!answer.ok || !answer.body) throw new Error(await refusal(answer));
  const decoder = new TextDecoder();
  const reader = answer.body.getReader();
  let text = "";
  while (true) {
    const { done, value } = await reader.read();
    if (done) throw new Error("the node has ended it");
    text += decoder.decode(value, { stream: true });
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    if (text.length > LINE_MAX) throw new Error("what comes is no trace");
    for (const line of lines) if (line) take(line);
  }
}

function stop() {
  running?.abort();
  running = undefined;
  tell($("trace-go"), "Start");
}

/** Starts anew, with a filter if one is given. @param {string} [filter] */
export async function startTrace(filter) {
  if (filter !== undefined) {
    input().value = filter;
    $("trace").scrollIntoView({ block: "start" });
  }
  stop();
  $("trace-lines").replaceChildren();
  [waiting, seen, lost] = [[], 0, 0];
  const control = new AbortController();
  running = control;
  tell($("trace-go"), "Stop");
  note("waiting for packets ...");
  const timer = setInterval(() => waiting.length > 0 && drawLines(), DRAW_MS);
  try {
    await follow(control);
  } catch (error) {
    drawLines();
    if (running === control) {
      note(error instanceof Error ? error.message : String(error), true);
      stop();
    }
  } finally {
    clearInterval(timer);
  }
}

export function setUpTrace() {
  $("trace-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!running) return void startTrace();
    stop();
    drawLines();
    note("stopped after " + count(seen) + " packets");
  });
}

/** Offers names of peers and of drops for the filter. @param {string[]} peers @param {string[]} drops */
export function offerFilters(peers, drops) {
  const words = ["icmp", "tcp", "udp", "dropped", ...peers.slice(0, 200), ...drops];
  if ($("filters").children.length === words.length) return;
  $("filters").replaceChildren(...words.map((value) => make("option", { value })));
}

// @ts-check
import { $, hold, make } from "./dom.js";

/** @typedef {import("../../../base/log.ts").LogEntry} LogEntry */

/** What is shown, by its text. @type {Map<string, Element>} */
const shown = new Map();

/** @param {LogEntry} entry */
function build({ time, level, event, message }) {
  const at = new Date(time);
  return make(
    "li",
    { class: level },
    make(
      "time",
      { datetime: time, title: at.toLocaleString("en-GB") },
      at.toLocaleTimeString("en-GB"),
    ),
    make("span", { class: "level" }, level),
    make("span", { class: "event" }, event),
    make("span", { class: "message" }, message),
  );
}

/** The last lines of the node's log, the newest first. @param {LogEntry[]} entries */
export function showEvents(entries) {
  const urgent = /** @type {HTMLInputElement} */ ($("urgent")).checked;
  const wanted = entries.filter(({ level }) => !urgent || level !== "info").reverse();
  /** Lines that are alike have a number of their own. @type {Map<string, number>} */
  const alike = new Map();
  const keys = wanted.map((entry) => {
    const text = JSON.stringify(entry);
    const n = alike.get(text) ?? 0;
    alike.set(text, n + 1);
    return n + text;
  });
  for (const key of shown.keys()) if (!keys.includes(key)) shown.delete(key);
  hold(
    $("events"),
    wanted.map((entry, i) => {
      const key = keys[i] ?? "";
      const line = shown.get(key) ?? build(entry);
      shown.set(key, line);
      return line;
    }),
  );
  $("no-events").hidden = wanted.length > 0;
}

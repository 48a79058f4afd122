// @ts-check
import { $, button, hold, make } from "./dom.js";
import { plural } from "./units.js";

/** @typedef {import("../../model/findings.ts").StatusFinding} Finding */

/** Peers that a finding names. */
const NAMED_MAX = 6;

/** What is shown, by what it says. @type {Map<string, Element>} */
const shown = new Map();

/** @param {readonly string[]} names */
function namesOf(names) {
  const more = names.length - NAMED_MAX;
  return names.slice(0, NAMED_MAX).join(", ") + (more > 0 ? " and " + more + " more" : "");
}

/** A command, and a button that copies it. @param {string} fix @param {string | null} on */
function command(fix, on) {
  const copy = button("Copy", () => {
    // Only a page over HTTPS or of this host may; elsewhere the text is marked, to be copied.
    if (navigator.clipboard) return void navigator.clipboard.writeText(fix).then(done);
    getSelection()?.selectAllChildren(code);
  }, { class: "copy", "aria-label": "Copy: " + fix });
  const done = () => {
    copy.textContent = "Copied";
    setTimeout(() => copy.textContent = "Copy", 2000);
  };
  const code = make("code", {}, fix);
  return make("p", { class: "fix" }, on === null ? "" : "on " + on + ": ", code, copy);
}

/** @param {Finding} finding */
function build({ status, what, why, fix, fix_on, peers }) {
  const names = namesOf(peers);
  return make(
    "li",
    { class: "finding " + status },
    make("span", { class: "badge " + status }, status === "fail" ? "FAIL" : "WARN"),
    make(
      "div",
      {},
      make("p", {}, make("b", {}, names ? names + ": " + what : what)),
      make("p", { class: "soft" }, why),
      ...(fix === null ? [] : [command(fix, peers.length > 1 ? "each of them" : fix_on)]),
    ),
  );
}

/** @param {Finding[]} findings */
export function showProblems(findings) {
  const keys = findings.map((finding) => JSON.stringify(finding));
  for (const key of shown.keys()) if (!keys.includes(key)) shown.delete(key);
  findings.forEach((finding, i) => {
    const key = keys[i] ?? "";
    if (!shown.has(key)) shown.set(key, build(finding));
  });
  hold($("problems"), /** @type {Element[]} */ (keys.map((key) => shown.get(key))));
  const failed = findings.filter(({ status }) => status === "fail").length;
  $("well").hidden = findings.length > 0;
  $("problems").hidden = findings.length === 0;
  $("problem-count").textContent = findings.length === 0
    ? ""
    : failed > 0
    ? plural(failed, "failure")
    : plural(findings.length, "warning");
}

/**
 * A strict parser of Prometheus' text format 0.0.4: it takes what the format's
 * description allows and refuses everything else, and what `promtool check
 * metrics` would complain of.
 */

/** One time series. */
export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;
/** Units that are not base units (promtool's lint). */
const NO_BASE_UNIT = /_(milliseconds|ms|minutes|hours|kilobytes|bits|percent)(_|$)/;

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  let rest = text;
  while (rest !== "") {
    const match = /^([^=]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/.exec(rest);
    if (!match) throw new Error(`bad labels: ${rest}`);
    const [whole, name, value] = match;
    if (!LABEL.test(name!)) throw new Error(`bad label name: ${name}`);
    if (name!.startsWith("__")) throw new Error(`reserved label name: ${name}`);
    if (name! in labels) throw new Error(`label twice: ${name}`);
    labels[name!] = value!.replace(/\\(.)/g, (_, c) => c === "n" ? "\n" : c);
    rest = rest.slice(whole.length);
  }
  return labels;
}

function parseValue(text: string): number {
  if (text === "NaN") return NaN;
  const infinite = /^([+-]?)Inf$/.exec(text);
  if (infinite) return infinite[1] === "-" ? -Infinity : Infinity;
  if (!NUMBER.test(text)) throw new Error(`bad value: ${text}`);
  return Number(text);
}

/** Parses a whole exposition. Throws an Error that says what is wrong. */
export function parseMetrics(text: string): readonly Series[] {
  if (!text.endsWith("\n")) throw new Error("the last line does not end");
  const found: Series[] = [];
  const seen = new Set<string>();
  const families = new Set<string>();
  let family = "";
  let help = "";
  let type = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment) {
      const [, kind, name, rest] = comment;
      if (!NAME.test(name!)) throw new Error(`bad name: ${name}`);
      if (kind === "HELP") {
        if (families.has(name!)) throw new Error(`family twice: ${name}`);
        if (rest === "" || /\\[^\\n]/.test(rest!)) throw new Error(`bad help: ${line}`);
        help = name!;
      } else {
        if (name !== help) throw new Error(`no help before: ${line}`);
        if (!/^(counter|gauge)$/.test(rest!)) throw new Error(`bad type: ${line}`);
        if ((rest === "counter") !== name!.endsWith("_total")) {
          throw new Error(`a counter, and nothing else, is called _total: ${name}`);
        }
        if (NO_BASE_UNIT.test(name!)) throw new Error(`no base unit: ${name}`);
        family = name!;
        families.add(family);
        type = rest!;
      }
      continue;
    }
    const match = /^([^\s{]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!match) throw new Error(`bad line: ${JSON.stringify(line)}`);
    const [, name, labelText = "", valueText] = match;
    if (name !== family) throw new Error(`not under its family: ${line}`);
    const labels = parseLabels(labelText);
    const key = JSON.stringify([name, Object.entries(labels).sort()]);
    if (seen.has(key)) throw new Error(`series twice: ${line}`);
    seen.add(key);
    const value = parseValue(valueText!);
    if (type === "counter" && !(value >= 0)) throw new Error(`a counter below 0: ${line}`);
    found.push({ name: name!, labels, value });
  }
  return found;
}

/** The value of the only series with this name and these labels. Throws where there is none. */
export function valueOf(
  series: readonly Series[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const wanted = Object.entries(labels);
  const found = series.filter((one) =>
    one.name === name && wanted.every(([key, text]) => one.labels[key] === text)
  );
  if (found.length !== 1) {
    throw new Error(`${found.length} series ${name} ${JSON.stringify(labels)}`);
  }
  return found[0]!.value;
}

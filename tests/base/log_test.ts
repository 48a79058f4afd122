import { createLog, LOG_LEVELS, type LogOptions } from "../../src/base/log.ts";
import {
  LOG_KEPT_CHARACTERS,
  LOG_KEPT_LINES,
  LOG_LINES_PER_EVENT,
  LOG_WINDOW_MS,
} from "../../src/base/limits.ts";
import { isStream } from "../../src/service/journal.ts";
import { assertEquals } from "../assert.ts";

const TIME = "1970-01-01T00:00:00.000Z";

/** A logger whose lines are kept and whose time is set by hand. */
function setup(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const clock = { ms: 0 };
  const waiting: { run: () => void; at_ms: number }[] = [];
  const log = createLog({
    level: "info",
    json: false,
    write: (line) => lines.push(line),
    now: () => new Date(0),
    clock_ms: () => clock.ms,
    later: (run, delay_ms) => waiting.push({ run, at_ms: clock.ms + delay_ms }),
    ...options,
  });
  /** Lets time pass up to `ms`. */
  const pass = (ms: number) => {
    clock.ms = ms;
    for (const one of waiting.splice(0)) {
      if (one.at_ms <= ms) one.run();
      else waiting.push(one);
    }
  };
  return { log, lines, pass };
}

Deno.test("log: how a line looks", async (t) => {
  const message = "a\nb\x1b[1m";
  const json = '"event":"e","message":"a\\nb\\u001b[1m","n":1}\n';
  const time = `"time":"${TIME}",`;
  const cases: readonly (readonly [
    string,
    Partial<LogOptions>,
    "error" | "warn" | "info",
    string,
  ])[] = [
    ["for people", {}, "info", `${TIME} tunnet: a?b?[1m\n`],
    ["for people at once", { untimed: true }, "info", "tunnet: a?b?[1m\n"],
    ["for people, a warning", {}, "warn", `${TIME} tunnet: warn: a?b?[1m\n`],
    ["as JSON", { json: true }, "warn", `{${time}"level":"warn",${json}`],
    ["for the journal", { journal: true }, "info", "<6>a?b?[1m\n"],
    ["for the journal, an error", { journal: true }, "error", "<3>a?b?[1m\n"],
    [
      "for the journal as JSON",
      { journal: true, json: true },
      "warn",
      `<4>{"level":"warn",${json}`,
    ],
  ];
  for (const [name, options, level, expected] of cases) {
    await t.step(name, () => {
      const { log, lines } = setup(options);
      log[level]("e", message, { n: 1 });
      assertEquals(lines, [expected]);
    });
  }
});

Deno.test("log: the last lines are kept, those that are not written too, but for debug", () => {
  const { log, lines } = setup({ level: "error" });
  log.debug("d", "d");
  log.info("a", "x".repeat(2 * LOG_KEPT_CHARACTERS));
  for (let i = 0; i < LOG_KEPT_LINES - 1; i++) log.warn(`e${i}`, `${i}`);
  assertEquals(lines, []);
  const first = { time: TIME, level: "info", event: "a", message: "x".repeat(LOG_KEPT_CHARACTERS) };
  assertEquals([log.recent()[0]!, log.recent().length], [first, LOG_KEPT_LINES]);
  log.error("last", "last");
  assertEquals(log.recent().at(-1)?.message, "last");
  assertEquals([log.recent()[0]!.event, log.recent().length], ["e0", LOG_KEPT_LINES]);
});

Deno.test("log: levels below the chosen one are left out", () => {
  for (const [i, level] of LOG_LEVELS.entries()) {
    const { log, lines } = setup({ level });
    for (const one of LOG_LEVELS) log[one](one, one);
    assertEquals(lines.length, i + 1, level);
  }
});

Deno.test("log: repetitions of one event are counted, others are not kept back by them", () => {
  const { log, lines, pass } = setup();
  for (let i = 0; i < LOG_LINES_PER_EVENT + 7; i++) log.warn("flood", `flood ${i}`);
  log.info("other", "other");
  assertEquals(lines.length, LOG_LINES_PER_EVENT + 1);
  pass(LOG_WINDOW_MS - 1);
  assertEquals(lines.length, LOG_LINES_PER_EVENT + 1);
  pass(LOG_WINDOW_MS);
  assertEquals(lines.at(-1), `${TIME} tunnet: warn: flood: 7 more in 10 s left out\n`);
  lines.length = 0;
  log.warn("flood", "again");
  pass(10 * LOG_WINDOW_MS);
  assertEquals(lines, [`${TIME} tunnet: warn: again\n`], "nothing was left out since");
});

Deno.test("log: what was left out is told with the next line, or at the end", () => {
  const { log, lines, pass } = setup({ later: undefined, json: true, level: "debug" });
  const flood = () => {
    for (let i = 0; i < LOG_LINES_PER_EVENT + 1; i++) log.debug("flood", "flood");
  };
  flood();
  pass(LOG_WINDOW_MS);
  lines.length = 0;
  flood();
  assertEquals(lines.length, 1 + LOG_LINES_PER_EVENT);
  const { level, event, of, count } = JSON.parse(lines[0]!);
  assertEquals([level, event, of, count], ["debug", "suppressed", "flood", 1]);
  lines.length = 0;
  log.flush();
  log.flush();
  assertEquals(lines.length, 1);
  assertEquals(JSON.parse(lines[0]!).count, 1);
});

Deno.test("log: the errors of a config come whole", () => {
  const { log, lines } = setup();
  for (let i = 0; i < 100; i++) log.error("reload_failed", `problem ${i}`);
  assertEquals(lines.length, 100);
});

Deno.test("journal: standard error is the journal's stream, or not", () => {
  assertEquals(isStream("socket:[1234]", "8:1234"), true);
  for (const variable of [undefined, "", "8:123", "8:12345", "1234", "8:1234:", "8:x"]) {
    assertEquals(isStream("socket:[1234]", variable), false, variable);
  }
  for (const link of ["pipe:[1234]", "/dev/pts/0", "socket:[8:1234]", ""]) {
    assertEquals(isStream(link, "8:1234"), false, link);
  }
});

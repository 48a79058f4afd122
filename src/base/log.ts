/**
 * Logs: one event a line on standard error, for people, as JSON, or for the
 * systemd journal. Repetitions of one event are cut off beyond a bound. Pure.
 */

import {
  LOG_KEPT_CHARACTERS,
  LOG_KEPT_LINES,
  LOG_LINES_PER_EVENT,
  LOG_WINDOW_MS,
} from "./limits.ts";

/** Levels, the most urgent first. */
export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
/** One of LOG_LEVELS. */
export type LogLevel = typeof LOG_LEVELS[number];

/** What an event carries besides its message. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Logs one event: `event` is a stable name for machines, `message` a sentence for people. */
type LogEvent = (event: string, message: string, fields?: LogFields) => void;

/** A logger. */
export interface Log {
  readonly error: LogEvent;
  readonly warn: LogEvent;
  readonly info: LogEvent;
  readonly debug: LogEvent;
}

/** A line that was logged. */
export interface LogEntry {
  /** ISO 8601. */
  readonly time: string;
  readonly level: LogLevel;
  readonly event: string;
  readonly message: string;
}

/** A logger that remembers its last lines (LOG_KEPT_LINES), whatever level is written. */
export interface KeptLog extends Log {
  /** The oldest first; debug lines are not among them. */
  recent(): readonly LogEntry[];
}

/** A logger with an end. */
export interface EndingLog extends KeptLog {
  /** Tells what has been left out so far. */
  flush(): void;
}

/** How a logger writes. */
export interface LogOptions {
  /** The least urgent level that is written. */
  readonly level: LogLevel;
  readonly json: boolean;
  /** Lines go to the systemd journal: with a priority in front, without a time and our name. */
  readonly journal?: boolean;
  /** Lines for people carry no time: they are read as they come. */
  readonly untimed?: boolean;
  /** Takes one line, newline included. */
  readonly write: (line: string) => void;
  /** The time that lines carry, but for those of the journal. */
  readonly now: () => Date;
  /** A clock that never jumps, for the bound on repetitions. */
  readonly clock_ms?: () => number;
  /** Runs something later; without it, what was left out is told with the event's next line. */
  readonly later?: (run: () => void, delay_ms: number) => void;
}

/** The journal's priorities (sd-daemon(3), syslog(3)). */
const PRIORITY: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 };

/** Events that answer a user, who wants to see them all; their number is bounded where they are made. */
const WHOLE: ReadonlySet<string> = new Set([
  "config",
  "counters",
  "reload_failed",
  "reload_left",
  "reloaded",
]);

/** How often an event was logged lately. */
interface Window {
  start_ms: number;
  lines: number;
  left_out: number;
}

/** Makes a logger. */
export function createLog(options: LogOptions): EndingLog {
  const { level, write, later, clock_ms = () => performance.now() } = options;
  const least = LOG_LEVELS.indexOf(level);
  const windows = new Map<string, Window>();
  const kept: LogEntry[] = [];

  const keep = (level: LogLevel, event: string, message: string) => {
    const time = options.now().toISOString();
    kept.push({ time, level, event, message: message.slice(0, LOG_KEPT_CHARACTERS) });
    if (kept.length > LOG_KEPT_LINES) kept.shift();
  };

  /** Closes an event's window, and tells what it has left out. */
  const close = (at: LogLevel, event: string) => {
    const left_out = windows.get(event)?.left_out ?? 0;
    windows.delete(event);
    if (left_out === 0) return;
    const message = `${event}: ${left_out} more in ${LOG_WINDOW_MS / 1000} s left out`;
    if (LOG_LEVELS.indexOf(at) > least) return;
    write(lineOf(options, at, "suppressed", message, { of: event, count: left_out }));
  };

  /** Whether an event may be logged once more now. */
  const admit = (at: LogLevel, event: string): boolean => {
    if (WHOLE.has(event)) return true;
    const now_ms = clock_ms();
    const known = windows.get(event);
    if (known && now_ms - known.start_ms >= LOG_WINDOW_MS) close(at, event);
    const window = windows.get(event) ?? { start_ms: now_ms, lines: 0, left_out: 0 };
    windows.set(event, window);
    if (window.lines < LOG_LINES_PER_EVENT) {
      window.lines++;
      return true;
    }
    if (window.left_out++ === 0) {
      later?.(
        () => windows.get(event) === window && close(at, event),
        window.start_ms + LOG_WINDOW_MS - now_ms,
      );
    }
    return false;
  };

  const logger = (at: LogLevel): LogEvent => (event, message, fields = {}) => {
    const written = LOG_LEVELS.indexOf(at) <= least;
    if (!written && at === "debug" || !admit(at, event)) return;
    if (at !== "debug") keep(at, event, message);
    if (written) write(lineOf(options, at, event, message, fields));
  };
  return {
    error: logger("error"),
    warn: logger("warn"),
    info: logger("info"),
    debug: logger("debug"),
    recent: () => [...kept],
    flush: () => [...windows.keys()].forEach((event) => close("info", event)),
  };
}

function lineOf(
  { json, journal = false, untimed = false, now }: LogOptions,
  level: LogLevel,
  event: string,
  message: string,
  fields: LogFields,
): string {
  const priority = journal ? `<${PRIORITY[level]}>` : "";
  if (json) {
    const time = journal ? {} : { time: now().toISOString() };
    return `${priority}${JSON.stringify({ ...time, level, event, message, ...fields })}\n`;
  }
  // deno-lint-ignore no-control-regex
  const safe = message.replace(/[\x00-\x1f\x7f]/g, "?");
  if (journal) return `${priority}${safe}\n`;
  const urgent = level === "info" ? "" : `${level}: `;
  return `${untimed ? "" : `${now().toISOString()} `}tunnet: ${urgent}${safe}\n`;
}

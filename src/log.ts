/** Logs: one event a line on standard error, for people or as JSON. */

/** Levels, the most urgent first. */
export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
/** One of LOG_LEVELS. */
export type LogLevel = typeof LOG_LEVELS[number];

/** What an event carries besides its message. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A logger; `event` is a stable name for machines, `message` a sentence for people. */
export interface Log {
  error(event: string, message: string, fields?: LogFields): void;
  warn(event: string, message: string, fields?: LogFields): void;
  info(event: string, message: string, fields?: LogFields): void;
  debug(event: string, message: string, fields?: LogFields): void;
}

/** How a logger writes. */
export interface LogOptions {
  /** The least urgent level that is written. */
  readonly level: LogLevel;
  readonly json: boolean;
  /** Takes one line, newline included. */
  readonly write: (line: string) => void;
  readonly now: () => Date;
}

function formatHuman(level: LogLevel, message: string): string {
  // deno-lint-ignore no-control-regex
  const safe = message.replace(/[\x00-\x1f\x7f]/g, "?");
  return level === "info" ? `tunnet: ${safe}\n` : `tunnet: ${level}: ${safe}\n`;
}

/** Makes a logger. */
export function createLog({ level, json, write, now }: LogOptions): Log {
  const least = LOG_LEVELS.indexOf(level);
  const at = (one: LogLevel) => (event: string, message: string, fields: LogFields = {}): void => {
    if (LOG_LEVELS.indexOf(one) > least) return;
    write(
      json
        ? JSON.stringify({ time: now().toISOString(), level: one, event, message, ...fields }) +
          "\n"
        : formatHuman(one, message),
    );
  };
  return { error: at("error"), warn: at("warn"), info: at("info"), debug: at("debug") };
}

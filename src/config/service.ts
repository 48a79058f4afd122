/**
 * How a node runs, as the config may say and the command line overrides: where its status is served
 * over HTTP, its engine, its log. Pure.
 */

import { DEFAULT_HTTP_PORT } from "../base/limits.ts";
import { LOG_LEVELS, type LogLevel } from "../base/log.ts";
import { nearest } from "../base/text.ts";
import type { EngineChoice } from "./engine.ts";
import { quote, readHostPort, readPort, type Result } from "./values.ts";

/** Where HTTP is served. */
export interface HttpListen {
  readonly host: string;
  readonly port: number;
}

/** What is logged, and how. */
export interface LogChoice {
  readonly level: LogLevel;
  readonly json: boolean;
}

/** The keys of a config that are there. */
export interface ServiceConfig {
  readonly http?: HttpListen;
  /** Names by which HTTP may be asked. */
  readonly httpHosts: readonly string[];
  /** Whether packets are shown over HTTP. */
  readonly httpTrace: boolean;
  readonly engine?: EngineChoice;
  readonly log?: LogChoice;
}

/** How much is logged. */
export function readLogLevel(text: string): Result<LogLevel> {
  const level = LOG_LEVELS.find((one) => one === text);
  if (level !== undefined) return { value: level };
  const near = nearest(text, LOG_LEVELS);
  return {
    problem: {
      what: `${quote(text)} is not a log level`,
      why: near && `did you mean ${quote(near)}?`,
      how: LOG_LEVELS.join(", "),
    },
  };
}

/** Where to serve HTTP. */
export function readHttp(text: string): Result<{ host: string; port: number }> {
  const port_alone = /^[0-9]+$/.test(text) ? readPort(text) : undefined;
  if (port_alone?.problem) return { problem: port_alone.problem };
  if (port_alone) return { value: { host: "127.0.0.1", port: port_alone.value } };
  const result = readHostPort(text, "bind");
  if (result.problem) return { problem: { ...result.problem, how: "127.0.0.1:9309" } };
  const { host, port = DEFAULT_HTTP_PORT } = result.value;
  return { value: { host, port } };
}

/** A name by which HTTP may be asked: a host name in lower case, or `*.NAME`. */
export function readHttpName(text: string): Result<string> {
  const name = text.toLowerCase();
  if (/^(\*\.)?[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?$/.test(name)) return { value: name };
  const how = "a host name, or *.NAME for all below it";
  return { problem: { what: `${quote(text)} is not a host name`, how } };
}

/** What is logged, and how: a level, and `,json` for JSON lines. */
export function readLog(text: string): Result<LogChoice> {
  const [word, form, more] = text.split(",");
  const level = readLogLevel(word!);
  if (level.problem) return { problem: level.problem };
  if (form === undefined) return { value: { level: level.value, json: false } };
  if (form === "json" && more === undefined) return { value: { level: level.value, json: true } };
  return { problem: { what: `${quote(text)} is not what is logged`, how: `${level.value},json` } };
}

/** `true` or `false`. */
export function readBoolean(text: string): Result<boolean> {
  if (text === "true" || text === "false") return { value: text === "true" };
  return { problem: { what: `${quote(text)} is neither true nor false`, how: "true or false" } };
}

/** Reads the head of an HTTP/1.1 request (RFC 9112): untrusted bytes to what is asked. Pure. */

import { HTTP_BODY_MAX_BYTES, HTTP_HEAD_MAX_BYTES, HTTP_HEADERS_MAX } from "../../base/limits.ts";

/** What is asked. */
export interface HttpRequest {
  /** As it was sent: methods are case-sensitive. */
  readonly method: string;
  /** The target without its query; it is neither decoded nor normalised. */
  readonly path: string;
  /** What follows a question mark, likewise; empty if there is none. */
  readonly query: string;
  /** Whether it has the header that a page elsewhere cannot send (OURS). */
  readonly ours: boolean;
  /** The Host header, or the authority of a target that is a whole URL; null if there is none. */
  readonly host: string | null;
}

/** A head that was read, or why there is none. */
export type Head =
  | { readonly kind: "partial" }
  | { readonly kind: "refused"; readonly status: number }
  | {
    readonly kind: "whole";
    readonly request: HttpRequest;
    readonly head_bytes: number;
    /** Length of the body that follows. */
    readonly body_bytes: number;
    /** Whether another request may follow. */
    readonly keepAlive: boolean;
  };

/**
 * A header of our own: a browser lets no page of another site send one without asking first
 * (https://fetch.spec.whatwg.org/#cors-safelisted-request-header), and we never agree.
 */
export const OURS = "x-tunnet";

const CR = 0x0d;
const LF = 0x0a;

/** A token of RFC 9110, 5.6.2. */
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([!-~]+) HTTP/(\\d)\\.(\\d)$`);
/** No control characters, and no line that is folded into the next. */
const FIELD = new RegExp(`^(${TOKEN}):[ \\t]*([^\\x00-\\x08\\x0a-\\x1f\\x7f]*)$`);
const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/is;

const refused = (status: number): Head => ({ kind: "refused", status });

/** Offset behind the empty line that ends a head, or -1. `from`: what was searched before. */
export function headEnd(bytes: Uint8Array, from = 0): number {
  for (let at = bytes.indexOf(LF, Math.max(3, from)); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at - 1] === CR && bytes[at - 2] === LF && bytes[at - 3] === CR) return at + 1;
  }
  return -1;
}

/** Each byte as the character of its number (ISO 8859-1). */
const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** Header fields by name in lower case; undefined where they are malformed. */
function readFields(lines: readonly string[]): Map<string, string[]> | undefined {
  const fields = new Map<string, string[]>();
  for (const line of lines) {
    const match = FIELD.exec(line);
    if (!match) return undefined;
    const name = match[1]!.toLowerCase();
    const value = match[2]!.replace(/[ \t]+$/, "");
    const known = fields.get(name);
    if (known) known.push(value);
    else fields.set(name, [value]);
  }
  return fields;
}

/** Length of the body, or the status that refuses it: how long it is must never be in doubt. */
function readLength(fields: Map<string, string[]>): { body_bytes: number } | { status: number } {
  if (fields.has("transfer-encoding")) return { status: 501 };
  const lengths = fields.get("content-length") ?? ["0"];
  if (lengths.length > 1 || !/^[0-9]{1,15}$/.test(lengths[0]!)) return { status: 400 };
  const body_bytes = Number(lengths[0]);
  return body_bytes > HTTP_BODY_MAX_BYTES ? { status: 413 } : { body_bytes };
}

/** What a target names: the path, the query, and the authority if it is a whole URL. */
function splitTarget(target: string) {
  const absolute = ABSOLUTE.exec(target);
  const [rest] = (absolute ? absolute[2]! : target).split("#");
  const [path, ...query] = rest!.split("?");
  return { path: path || "/", query: query.join("?"), authority: absolute?.[1] };
}

/**
 * Reads the head at the start of `bytes`, which is what has come so far. Chunked bodies are not
 * read (501): nothing that is asked has one.
 */
export function readHead(bytes: Uint8Array, searched = 0): Head {
  const head_bytes = headEnd(bytes.subarray(0, HTTP_HEAD_MAX_BYTES), searched);
  if (head_bytes < 0) {
    return bytes.length < HTTP_HEAD_MAX_BYTES ? { kind: "partial" } : refused(431);
  }
  const [first, ...lines] = latin1(bytes.subarray(0, head_bytes - 4)).split("\r\n");
  const match = REQUEST_LINE.exec(first!);
  if (!match) return refused(400);
  const [, method, target, major, minor] = match;
  if (major !== "1") return refused(505);
  if (lines.length > HTTP_HEADERS_MAX) return refused(431);
  const fields = readFields(lines);
  const hosts = fields?.get("host") ?? [];
  if (fields === undefined || hosts.length > 1) return refused(400);
  const length = readLength(fields);
  if ("status" in length) return refused(length.status);
  const { path, query, authority } = splitTarget(target!);
  const connection = (fields.get("connection") ?? []).join(",").toLowerCase();
  return {
    kind: "whole",
    request: {
      ...{ method: method!, path, query },
      ours: fields.has(OURS),
      host: authority ?? hosts[0] ?? null,
    },
    head_bytes,
    body_bytes: length.body_bytes,
    keepAlive: minor !== "0" && !/(^|,)[ \t]*close[ \t]*(,|$)/.test(connection),
  };
}

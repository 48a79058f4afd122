/**
 * Requests and answers of etcd's JSON gateway: base64 for bytes, decimal digits for 64-bit numbers,
 * and what is zero or false left out. Pure.
 */

import { isObject } from "./records.ts";

/** An object of JSON. */
export type Fields = Readonly<Record<string, unknown>>;

/** A key and its value, with when it was made and changed. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
  readonly created_revision: number;
  readonly modified_revision: number;
  readonly lease: string;
}

/** A key that was written, or that is gone. */
export type KeyEvent =
  | { readonly what: "put"; readonly kv: KeyValue }
  | { readonly what: "delete"; readonly key: string; readonly revision: number };

/** One message of a watch. */
export interface WatchMessage {
  readonly events: readonly KeyEvent[];
  readonly created: boolean;
  /** The watch has ended, though its stream stays open. */
  readonly canceled: boolean;
  /** Changes before this one are not kept any more; 0: it was not for that. */
  readonly compact_revision: number;
  readonly why: string;
}

/** Text as bytes in base64. */
export const encode = (text: string): string => new TextEncoder().encode(text).toBase64();

/** Bytes in base64 as text; empty where it is none. */
export function decode(value: unknown): string {
  if (typeof value !== "string") return "";
  try {
    return new TextDecoder().decode(Uint8Array.fromBase64(value));
  } catch {
    return "";
  }
}

/** The key after all that begin with a prefix: the prefix with its last byte one higher. */
export function encodeEnd(prefix: string): string {
  const bytes = new TextEncoder().encode(prefix);
  bytes[bytes.length - 1]!++;
  return bytes.toBase64();
}

/** A number of 64 bits, which revisions and times do not use up. */
export function toInteger(value: unknown): number {
  const number = Number(typeof value === "string" || typeof value === "number" ? value : 0);
  return Number.isSafeInteger(number) ? number : 0;
}

/** The same as digits: leases use all 64 bits, and members' ids have no sign. */
export function toDigits(value: unknown): string {
  const text = typeof value === "number" ? `${value}` : value;
  return typeof text === "string" && /^-?[0-9]{1,20}$/.test(text) ? text : "0";
}

/** A field that holds an object; an empty one where it holds none. */
export function objectAt(fields: Fields, name: string): Fields {
  const value = fields[name];
  return isObject(value) ? value : {};
}

/** A field that holds a list of objects. */
export function listAt(fields: Fields, name: string): readonly Fields[] {
  const value = fields[name];
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** The revision in an answer's header. */
export const revisionOf = (answer: Fields): number =>
  toInteger(objectAt(answer, "header").revision);

/** A key and its value. */
export function readKeyValue(fields: Fields): KeyValue {
  return {
    key: decode(fields.key),
    value: decode(fields.value),
    created_revision: toInteger(fields.create_revision),
    modified_revision: toInteger(fields.mod_revision),
    lease: toDigits(fields.lease),
  };
}

/** One message of a watch. */
export function readWatchMessage(message: Fields): WatchMessage {
  const result = objectAt(message, "result");
  const events = listAt(result, "events").map((event): KeyEvent => {
    const kv = readKeyValue(objectAt(event, "kv"));
    if (event.type !== "DELETE") return { what: "put", kv };
    return { what: "delete", key: kv.key, revision: kv.modified_revision };
  });
  const why = objectAt(message, "error").message ?? result.cancel_reason;
  return {
    events,
    created: result.created === true,
    canceled: result.canceled === true || isObject(message.error),
    compact_revision: toInteger(result.compact_revision),
    why: typeof why === "string" ? why : "",
  };
}

/** What a transaction does with a key if nothing stands against it. */
export interface WriteOptions {
  readonly key: string;
  readonly value: string;
  readonly lease: string;
  /** The key's last change as it is known; 0: there is no such key. */
  readonly modified_revision: number;
}

/** A transaction that writes a key if it is as it is known. */
export function writeRequest({ key, value, lease, modified_revision }: WriteOptions): Fields {
  const compare = modified_revision === 0
    ? { target: "VERSION", version: "0" }
    : { target: "MOD", mod_revision: `${modified_revision}` };
  return {
    compare: [{ key: encode(key), result: "EQUAL", ...compare }],
    success: [{
      request_put: { key: encode(key), value: encode(value), ...(lease === "0" ? {} : { lease }) },
    }],
  };
}

/** Bytes of a stream to its lines. */
export class LineSplitter {
  readonly #decoder = new TextDecoder();
  #rest = "";

  /** `max_length`: of a line that has not ended yet. */
  constructor(readonly max_length: number) {}

  /** The lines that end in these bytes. Throws a RangeError for one that is too long. */
  push(bytes: Uint8Array): readonly string[] {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = lines.pop()!;
    if (this.#rest.length > this.max_length) throw new RangeError("a line without an end");
    return lines.filter((line) => line !== "");
  }
}

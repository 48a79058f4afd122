/** The file with the last members, by which a node starts while etcd is away: its text. Pure. */

import { ETCD_RECORDS_MAX } from "../../../base/limits.ts";
import { type Address, formatAddress, parseAddress, sameBytes } from "../../../net/prefix.ts";
import { type Fields, listAt, toDigits, toInteger } from "./gateway.ts";
import type { Entry } from "./members.ts";
import { keyEnd, parseKeyEnd, parseObject } from "./records.ts";
import type { Kept } from "./source.ts";

/** Of which node and which network it is. */
export interface KeptOf {
  readonly prefix: string;
  readonly address: Address;
}

const VERSION = 1;

/** The file's text. */
export function formatKept(
  { prefix, address }: KeptOf,
  { network, subnet, entries }: Kept,
): string {
  const head = { version: VERSION, prefix, address: formatAddress(address.bytes) };
  return JSON.stringify({ ...head, network, subnet: keyEnd(subnet), entries }) + "\n";
}

const text = (fields: Fields, name: string): string => {
  const value = fields[name];
  return typeof value === "string" ? value : "";
};

/** What the text holds; undefined where it is of another node or network, or of no use. */
export function parseKept({ prefix, address }: KeptOf, json: string): Kept | undefined {
  const fields = parseObject(json);
  if (fields?.version !== VERSION || fields.prefix !== prefix) return undefined;
  const own = parseAddress(text(fields, "address"));
  const subnet = parseKeyEnd(text(fields, "subnet"));
  if (!own || !sameBytes(own.bytes, address.bytes) || !subnet) return undefined;
  const entries = listAt(fields, "entries").slice(0, ETCD_RECORDS_MAX).map((one): Entry => ({
    end: text(one, "end"),
    value: text(one, "value"),
    created_revision: toInteger(one.created_revision),
    modified_revision: toInteger(one.modified_revision),
    lease: toDigits(one.lease),
  }));
  return { network: text(fields, "network"), subnet, entries };
}

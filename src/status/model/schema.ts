/**
 * The JSON Schema of the status object (https://json-schema.org, draft 2020-12),
 * as `tunnet status --schema` prints it. Data only.
 */

import { STATUS_FORMAT } from "./types.ts";

const count = { type: "integer", minimum: 0 } as const;
const amount = { type: "number", minimum: 0 } as const;
const text = { type: "string" } as const;
const time = { type: "string", format: "date-time" } as const;
const texts = { type: "array", items: text } as const;

/** An object that must have all of these. More may be added within a version of the format. */
function object<P extends Record<string, unknown>>(properties: P) {
  return { type: "object", required: Object.keys(properties), properties } as const;
}

function orNull<T extends { readonly type: string }>(schema: T) {
  return { ...schema, type: [schema.type, "null"] } as const;
}

const flow = {
  packets: count,
  bytes: { ...count, description: "of inner packets, without the underlay's headers" },
  packets_per_second: amount,
  bits_per_second: amount,
} as const;

const tally = (description: string) => ({
  type: "object",
  description,
  propertyNames: { pattern: "^[a-z][a-z0-9_]*$" },
  additionalProperties: count,
} as const);

const total = object({
  ...flow,
  drops: tally("packets that went no further, by reason"),
  events: tally("what else was counted"),
});

const subnets = {
  subnets: { ...texts, description: "the first ones" },
  subnet_count: count,
} as const;

const mode = { type: "string", enum: ["tun", "tap"] } as const;

const peer = object({
  name: text,
  host: { ...text, description: "what the config says: an address or a host name" },
  address: { ...orNull(text), description: "null while the host name is not known" },
  port: { ...count, maximum: 65535 },
  moved: { type: "boolean", description: "it has proved to be elsewhere than the config says" },
  ...subnets,
  is_default: { type: "boolean", description: "it gets what no subnet covers" },
  state: {
    type: "string",
    enum: ["plain", "up", "silent", "down"],
    description: "plain: never said hello; up: did lately; silent: did once; down: out of reach",
  },
  since: time,
  why: orNull(text),
  last_seen: { ...orNull(time), description: "its last hello or packet" },
  rtt_ms: orNull(amount),
  loss: { ...orNull(amount), maximum: 1, description: "share of its last hellos lost on the way" },
  version: { ...orNull(text), description: "of its program" },
  protocol: orNull(count),
  mode: { type: ["string", "null"], enum: ["tun", "tap", null] },
  mtu_bytes: orNull(count),
  capabilities: texts,
  problems: { ...texts, description: "what does not fit together with it" },
  outbound: object(flow),
  inbound: object(flow),
});

/** The schema, as JSON. */
export const STATUS_SCHEMA = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: `status of a tunnet node, format ${STATUS_FORMAT}`,
  ...object({
    format: { const: STATUS_FORMAT },
    time,
    node: object({
      name: text,
      version: text,
      pid: count,
      started: time,
      uptime_seconds: amount,
      config: text,
      listen: text,
      ...subnets,
      problems: { ...texts, description: "empty: the node is healthy" },
    }),
    device: object({
      name: text,
      mode,
      mtu_bytes: count,
      state: { type: "string", enum: ["up", "down", "gone"] },
    }),
    engine: object({ name: text, lanes: count, features: texts }),
    network: texts,
    outbound: total,
    inbound: total,
    peers: { type: "array", items: peer },
  }),
} as const;

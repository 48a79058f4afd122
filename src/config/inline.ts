/** Peers given on the command line, CIDR[,CIDR...]=HOST[:PORT], to a Config. Pure. */

import { DEFAULT_PORT, NODE_NAME_MAX_BYTES, NODES_MAX, SUBNETS_MAX } from "../base/limits.ts";
import { formatEndpoint } from "../net/prefix.ts";
import { assemble, type Overrides } from "./assemble.ts";
import type { DraftNode, DraftPrefix } from "./draft.ts";
import { Problems } from "./problems.ts";
import type { LoadedConfig } from "./types.ts";
import type { Mode } from "../wire/mode.ts";
import { type HostPort, quote, readHostPort, readPrefix } from "./values.ts";

/** `source` of a config that was given inline. */
export const INLINE_SOURCE = "command line";

/** Name of this node in a config that was given inline. */
export const INLINE_NODE = "local";

/** What the command line says about the overlay. */
export interface InlineOptions {
  /** SPECs: CIDR[,CIDR...]=HOST[:PORT], in mode tap HOST[:PORT]. Those of one HOST:PORT are one node. */
  readonly specs: readonly string[];
  /** Pod subnets of this node; an empty list gives a warning, none at all (just looking) does not. */
  readonly local?: readonly string[];
  /** Bind address, HOST[:PORT]; default: all addresses of the peers' IP version. */
  readonly listen?: string;
}

function readPrefixes(texts: readonly string[], path: string, problems: Problems): DraftPrefix[] {
  return texts.flatMap((text) => {
    const prefix = problems.take(path, readPrefix(text.trim()));
    return prefix ? [{ prefix, path }] : [];
  });
}

interface Peer {
  readonly path: string;
  readonly hostPort: HostPort;
  readonly subnets: DraftPrefix[];
}

function readSpec(spec: string, mode: Mode, problems: Problems): Peer | undefined {
  const path = `peer ${quote(spec)}`;
  const equals = spec.lastIndexOf("=");
  if (equals < 0 && mode === "tun") {
    problems.add(path, {
      what: "not a peer",
      why: 'there is no "="',
      how: "CIDR[,CIDR...]=HOST[:PORT] such as 172.2.0.0/16=192.168.0.7",
    });
    return undefined;
  }
  const subnets = equals < 0 ? [] : readPrefixes(spec.slice(0, equals).split(","), path, problems);
  const hostPort = problems.take(path, readHostPort(spec.slice(equals + 1).trim()));
  return hostPort && { path, hostPort, subnets };
}

/** A name per peer: its host, unless that is taken; then with its port. */
function peerName(hostPort: HostPort, port: number, taken: ReadonlySet<string>): string {
  const { host } = hostPort;
  const fits = (name: string) => name.length <= NODE_NAME_MAX_BYTES && !taken.has(name);
  const names = [host, formatEndpoint(host, hostPort.port ?? port)];
  return names.find(fits) ?? `peer-${taken.size}`;
}

/** Reads and checks inline peers. This node comes last. Throws ConfigError, nothing else. */
export function parseInline(options: InlineOptions, overrides: Overrides = {}): LoadedConfig {
  const problems = new Problems("");
  const port = overrides.port ?? DEFAULT_PORT;
  const mode = overrides.mode ?? "tun";
  const merged = new Map<string, Peer>();
  let subnets = 0;
  for (const spec of options.specs) {
    const peer = readSpec(spec, mode, problems);
    if (peer === undefined) continue;
    subnets += peer.subnets.length;
    const key = formatEndpoint(peer.hostPort.host, peer.hostPort.port ?? port);
    const known = merged.get(key);
    if (known) known.subnets.push(...peer.subnets);
    else merged.set(key, peer);
  }
  if (merged.size >= NODES_MAX) {
    problems.add("", { what: `${merged.size} peers`, why: `at most ${NODES_MAX - 1}` });
  }
  const own = readPrefixes(options.local ?? [], "--local", problems);
  if (subnets + own.length > SUBNETS_MAX) {
    problems.add("", { what: "too many subnets", why: `at most ${SUBNETS_MAX} in all` });
  }
  if (mode === "tun" && options.local?.length === 0 && problems.count === 0) {
    problems.warn(
      "",
      "no --local: this node has no pods of its own, and peers may not know how to answer it",
    );
  }
  const version = [...merged.values()].map(({ hostPort }) => hostPort.address?.version)
    .find((one) => one !== undefined);
  const listen = options.listen === undefined
    ? readHostPort(version === 6 ? "::" : "0.0.0.0", "bind")
    : readHostPort(options.listen, "bind");
  const taken = new Set([INLINE_NODE]);
  const peers = [...merged.values()].map((peer): DraftNode => {
    const name = peerName(peer.hostPort, port, taken);
    taken.add(name);
    return { ...peer, addressPath: peer.path, name, macs: [], accept: [] };
  });
  const self: DraftNode = {
    path: "--local",
    addressPath: "--listen",
    name: INLINE_NODE,
    hostPort: problems.take("--listen", listen),
    subnets: own,
    macs: [],
    accept: [],
  };
  const config = assemble({ networks: [], nodes: [...peers, self] }, overrides, problems);
  return Object.freeze({
    config,
    source: INLINE_SOURCE,
    warnings: Object.freeze([...problems.warnings]),
  });
}

/** Serves the status: on the unix socket, and over HTTP where that is asked for. */

import { RunError } from "../base/errors.ts";
import { FINDINGS_SPAN_MS } from "../base/limits.ts";
import type { Log, LogEntry } from "../base/log.ts";
import { formatEndpoint, parseAddress } from "../net/prefix.ts";
import { answer, handle, type HandlerParts, TEXT } from "./handler.ts";
import { Histories } from "./histories.ts";
import type { ReloadOutcome } from "../peers/source/source.ts";
import type { HttpAnswer, HttpStream } from "./http/answer.ts";
import type { HttpRequest } from "./http/request.ts";
import { type Answerer, HttpServer } from "./http/server.ts";
import { isOurHost } from "./hosts.ts";
import type { LivePackets } from "./live.ts";
import { isReload, reloadAnswer } from "./reload.ts";
import {
  clearSocketPath,
  ensureSocketDirectory,
  listenOnSocket,
  removeSocket,
  socketDirectories,
  socketIdentity,
  socketName,
  type SocketPlace,
} from "./socket.ts";
import type { History } from "./model/history.ts";
import type { Clock } from "./model/snapshot.ts";
import type { Status } from "./model/types.ts";
import { Remover } from "./remover.ts";
import { Snapshots } from "./snapshots.ts";

/** Where an HTTP server listens, and what it answers. */
export interface HttpEndpoint {
  readonly host: string;
  readonly port: number;
  /** Names by which it may be asked besides this host and addresses; `*.NAME` for those below. */
  readonly names: readonly string[];
  /** Whether packets are shown to whoever asks. */
  readonly trace: boolean;
}

/** What is served, and where. */
export interface StatusServerParts {
  readonly status: () => Status;
  /** Reads the config again: for those who can open the socket, never over HTTP. */
  readonly reload: () => Promise<ReloadOutcome>;
  /** Path of the socket; without one, it is where `place` says. */
  readonly socket: string | undefined;
  /** The last log lines. */
  readonly events: () => readonly LogEntry[];
  /** What was carried and dropped before. */
  readonly history: History;
  readonly clock: () => Clock;
  /** Who shows packets. */
  readonly packets: LivePackets;
  readonly place: SocketPlace;
  readonly http: HttpEndpoint | undefined;
  /** Whether this process may not be able to remove its socket when it ends. */
  readonly leavesRoot: boolean;
  /** The packet filter that is not to outlive this process (host/forward_guard.ts). */
  readonly filter: string;
  readonly log: Log;
}

/** The servers of one node. */
export class StatusServer {
  readonly #snapshots: Snapshots;
  /** What is shown to everybody. */
  readonly #shown: Omit<Served, "packets">;
  readonly #servers: HttpServer[] = [];
  #socketIdentity: string | undefined;
  #remover: Remover | undefined;
  #socket: string | undefined;
  #http: string | undefined;

  constructor(readonly parts: StatusServerParts) {
    this.#snapshots = new Snapshots(parts.status, now_ms);
    const histories = new Histories(parts.history, parts.clock);
    this.#shown = {
      snapshots: this.#snapshots,
      events: parts.events,
      history: (query) => histories.json(query),
      findings: () => this.#snapshots.findings(parts.history.of(FINDINGS_SPAN_MS)),
    };
  }

  /** Path of the socket; undefined while there is none. */
  get socket(): string | undefined {
    return this.#socket;
  }

  /** `http://HOST:PORT` of the HTTP server; undefined if there is none. */
  get http(): string | undefined {
    return this.#http;
  }

  /**
   * Opens what is asked for. Throws a RunError for what was asked for by name;
   * where the usual place of the socket cannot be had, a warning has to do: a
   * node carries packets without it.
   */
  async open(): Promise<void> {
    const { http, socket, log } = this.parts;
    if (http) this.#openHttp(http);
    if (socket !== undefined) return await this.#openSocket(socket);
    try {
      await this.#openUsualSocket();
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      log.warn("status_socket", error.message);
    }
  }

  /** Closes all servers, requests under way included. */
  async close(): Promise<void> {
    if (this.#socket !== undefined) removeSocket(this.#socket, this.#socketIdentity);
    await Promise.all(this.#servers.map((server) => server.close()));
    await this.#remover?.remove();
  }

  async #openUsualSocket(): Promise<void> {
    const { place: { device, netns, uid } } = this.parts;
    const directories = socketDirectories(uid);
    for (const [i, directory] of directories.entries()) {
      try {
        ensureSocketDirectory(directory, uid);
      } catch (error) {
        if (i + 1 === directories.length) throw error;
        continue;
      }
      return await this.#openSocket(`${directory}/${socketName(device, netns)}`);
    }
  }

  async #openSocket(path: string): Promise<void> {
    await clearSocketPath(path);
    const listener = listenOnSocket(path);
    this.#socketIdentity = socketIdentity(path);
    const { leavesRoot, filter, log } = this.parts;
    if (leavesRoot) this.#remover = Remover.start(path, this.#socketIdentity, filter);
    const answer = (request: HttpRequest) => this.#answerOwner(request);
    this.#servers.push(new HttpServer({ listener, answer, where: path, log, now_ms }));
    this.#socket = path;
  }

  /** Answers whoever can open the socket. */
  #answerOwner(request: HttpRequest): ReturnType<Answerer> {
    if (isReload(request)) return this.#reload();
    const { packets } = this.parts;
    const { method, path, query } = request;
    if (method === "GET" && path === "/pcap") return packets.capture(new URLSearchParams(query));
    // A unix socket has no name that a page could be pointed at.
    return handle({ ...request, ours: true }, { ...this.#shown, isOurs: () => true, packets });
  }

  async #reload(): Promise<HttpAnswer> {
    const outcome = await this.parts.reload();
    this.#snapshots.forget();
    return reloadAnswer(outcome);
  }

  #openHttp(endpoint: HttpEndpoint): void {
    const { host, port } = endpoint;
    const { log, packets } = this.parts;
    this.#servers.push(serveHttp(endpoint, log, () => ({
      ...this.#shown,
      packets: endpoint.trace ? packets : undefined,
    })));
    const where = formatEndpoint(host, port);
    this.#http = `http://${where}`;
    if (!isLoopback(host)) {
      this.parts.log.warn(
        "http_open",
        `${where} shows this node's state to everyone who can reach it, without a password`,
      );
    }
  }
}

const now_ms = () => performance.now();

/** One status, to answer a request with. */
export function snapshotOf(status: Status): Snapshots {
  return new Snapshots(() => status, now_ms);
}

/** What is served of a node. */
export type Served = Omit<HandlerParts, "isOurs">;

/**
 * Serves a node's page, status and metrics over HTTP; `parts` may have to ask for them. Throws
 * a RunError where it cannot listen.
 */
export function serveHttp(
  { host, port, names }: HttpEndpoint,
  log: Log,
  parts: (request: HttpRequest) => Served | Promise<Served>,
): HttpServer {
  const isOurs = (name: string) => isOurHost(name, [host, ...names]);
  const where = formatEndpoint(host, port);
  let listener: Deno.Listener;
  try {
    listener = Deno.listen({ hostname: host, port });
  } catch (error) {
    throw new RunError({ what: `cannot open --http ${where}`, ...httpFailure(error, port) });
  }
  const respond = async (request: HttpRequest): Promise<HttpAnswer | HttpStream> => {
    try {
      return handle(request, { ...await parts(request), isOurs });
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      return answer(`${error.message}\n`, TEXT, 502);
    }
  };
  return new HttpServer({ listener, answer: respond, where, log, now_ms });
}

function isLoopback(host: string): boolean {
  const address = parseAddress(host);
  if (!address) return host === "localhost";
  const { version, bytes } = address;
  if (version === 4) return bytes[0] === 127;
  return bytes[15] === 1 && bytes.subarray(0, 15).every((byte) => byte === 0);
}

function httpFailure(error: unknown, port: number): { why: string; how?: string } {
  if (error instanceof Deno.errors.AddrInUse) {
    return {
      why: "another program uses the port",
      how: `ss -ltnp 'sport = :${port}' to see which, or another port`,
    };
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return { why: "no local interface has the address", how: `--http 127.0.0.1:${port}` };
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return { why: "a port below 1024 needs root or CAP_NET_BIND_SERVICE", how: "--http 127.0.0.1" };
  }
  return { why: error instanceof Error ? error.message : String(error) };
}

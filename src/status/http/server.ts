/**
 * A small HTTP/1.1 server for the status. Deno.serve bounds neither connections nor time, and ends
 * when the process is out of descriptors; node:http never accepts again after that (Deno 2.9.6).
 */

import {
  HTTP_ACCEPT_RETRY_MS,
  HTTP_ACCEPTS_PER_S,
  HTTP_ANSWER_TIMEOUT_MS,
  HTTP_HEAD_MAX_BYTES,
  HTTP_PACE_MS,
  HTTP_PENDING_MAX_BYTES,
  HTTP_REFUSED_TIMEOUT_MS,
  HTTP_REQUEST_TIMEOUT_MS,
  HTTP_REQUESTS_PER_S,
  HTTP_SWEEP_INTERVAL_MS,
} from "../../base/limits.ts";
import type { Log } from "../../base/log.ts";
import { RateLimit } from "../../dataplane/rate_limit.ts";
import {
  formatHead,
  formatStreamHead,
  type HttpAnswer,
  type HttpStream,
  plainAnswer,
} from "./answer.ts";
import { clientOf, Connections, type OpenConnection } from "./connections.ts";
import { type Head, type HttpRequest, readHead } from "./request.ts";

/** Answers a request, at once or later, whole or as a stream. */
export type Answerer = (
  request: HttpRequest,
) => HttpAnswer | HttpStream | Promise<HttpAnswer | HttpStream>;

/** What a server is made of. */
export interface HttpServerParts {
  readonly listener: Deno.Listener;
  /** Answers a request. What it throws is a bug, answered with 500 and logged. */
  readonly answer: Answerer;
  /** What the log calls this server. */
  readonly where: string;
  readonly log: Log;
  /** A clock that never jumps. */
  readonly now_ms: () => number;
}

const message = (error: unknown) => error instanceof Error ? error.message : String(error);

/** A server from its making until `close`. */
export class HttpServer {
  readonly #connections: Connections;
  readonly #accepts: RateLimit;
  readonly #requests: RateLimit;
  readonly #timer: ReturnType<typeof setInterval>;
  /** What ends each wait that is under way. */
  readonly #waits = new Set<() => void>();
  readonly #running = new Set<Promise<void>>();
  #lastTurn = Promise.resolve();
  #pending_bytes = 0;
  #closed = false;

  constructor(readonly parts: HttpServerParts) {
    const { now_ms } = parts;
    this.#connections = new Connections(now_ms);
    this.#accepts = new RateLimit(HTTP_ACCEPTS_PER_S, now_ms);
    this.#requests = new RateLimit(HTTP_REQUESTS_PER_S, now_ms);
    this.#timer = setInterval(() => this.#connections.sweep(), HTTP_SWEEP_INTERVAL_MS);
    this.#run(this.#acceptAll());
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Closes the listener and all connections; resolves when nothing runs any more. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    close(this.parts.listener);
    this.#connections.closeAll();
    for (const end of [...this.#waits]) end();
    await Promise.all(this.#running);
  }

  /** Keeps an eye on work until it ends: what it throws is a bug, and ends nothing else. */
  #run(work: Promise<void>): void {
    const guarded = work.catch((error) => this.#logBug(error))
      .finally(() => this.#running.delete(guarded));
    this.#running.add(guarded);
  }

  #logBug(error: unknown): void {
    const what = error instanceof Error ? error.stack ?? error.message : String(error);
    this.parts.log.error("status_bug", `${this.parts.where}: this is a bug in tunnet: ${what}`);
  }

  #wait(delay_ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#waits.delete(end);
        resolve();
      };
      const timer = setTimeout(end, delay_ms);
      this.#waits.add(end);
    });
  }

  /** Waits until the rate has room for one more. */
  async #pace(rate: RateLimit): Promise<void> {
    while (!this.#closed && !rate.take()) await this.#wait(HTTP_PACE_MS);
  }

  /** Waits until a request may be answered: first come, first served. One that has gone takes no turn. */
  #turn(one: OpenConnection): Promise<void> {
    return this.#lastTurn = this.#lastTurn.then(() =>
      this.#connections.has(one) ? this.#pace(this.#requests) : undefined
    );
  }

  async #acceptAll(): Promise<void> {
    const { listener, where, log } = this.parts;
    for (let failing = false; !this.#closed;) {
      await this.#pace(this.#accepts);
      try {
        const connection = await listener.accept();
        if (failing) log.info("status_accept", `${where}: connections are accepted again`);
        failing = false;
        this.#take(connection);
      } catch (error) {
        if (this.#closed) return;
        // Out of descriptors, most likely: those of idle clients are of more use elsewhere.
        this.#connections.closeWaiting();
        if (!failing) {
          const why = `${where}: no connection can be accepted (${message(error)})`;
          log.warn("status_accept", `${why}; trying again until one can`);
        }
        failing = true;
        await this.#wait(HTTP_ACCEPT_RETRY_MS);
      }
    }
  }

  #take(connection: Deno.Conn): void {
    const { remoteAddr } = connection;
    const client = clientOf("hostname" in remoteAddr ? remoteAddr.hostname : undefined);
    const one = this.#connections.add(client, () => close(connection));
    if (one) this.#run(this.#serve(connection, one));
    else close(connection);
  }

  async #serve(connection: Deno.Conn, one: OpenConnection): Promise<void> {
    try {
      if ("setNoDelay" in connection) (connection as Deno.TcpConn).setNoDelay(true);
      await this.#exchange(connection, one);
    } catch {
      // The client has gone, or its time was over.
    } finally {
      this.#connections.remove(one);
      close(connection);
    }
  }

  /** Answers requests, one after the other. Throws when the connection ends in the midst of one. */
  async #exchange(connection: Deno.Conn, one: OpenConnection): Promise<void> {
    const buffer = new Uint8Array(HTTP_HEAD_MAX_BYTES);
    let length = 0;
    for (let more = true, answered = false; more; answered = true) {
      const arrived = await readRequest(connection, buffer, length);
      if (arrived === undefined) return;
      const { head, used_bytes } = arrived;
      length = arrived.length - used_bytes;
      buffer.copyWithin(0, used_bytes, arrived.length);
      // How long it takes from here is ours to answer for.
      one.waiting = false;
      one.deadline_ms = Infinity;
      one.queuing = answered;
      await this.#turn(one);
      one.queuing = false;
      if (!this.#connections.has(one)) return;
      if (head.kind === "refused") return await this.#refuse(connection, one, head.status);
      const { request, keepAlive } = head;
      more = keepAlive && !this.#closed;
      const answer = await this.#answer(request);
      if ("start" in answer) return await stream(connection, answer);
      one.deadline_ms = this.parts.now_ms() + HTTP_ANSWER_TIMEOUT_MS;
      await this.#send(connection, answer, more, request.method === "HEAD");
      one.deadline_ms = this.parts.now_ms() + HTTP_REQUEST_TIMEOUT_MS;
      one.waiting = true;
    }
  }

  async #answer(request: HttpRequest): Promise<HttpAnswer | HttpStream> {
    try {
      return await this.parts.answer(request);
    } catch (error) {
      this.#logBug(error);
      return plainAnswer(500);
    }
  }

  /** Says why, and reads on for a while: to close on unread bytes would take the answer away. */
  async #refuse(connection: Deno.Conn, one: OpenConnection, status: number): Promise<void> {
    one.waiting = true;
    one.deadline_ms = this.parts.now_ms() + HTTP_REFUSED_TIMEOUT_MS;
    await this.#send(connection, plainAnswer(status), false, false);
    await connection.closeWrite();
    const unread = new Uint8Array(HTTP_HEAD_MAX_BYTES);
    while (await connection.read(unread) !== null);
  }

  async #send(
    connection: Deno.Conn,
    wanted: HttpAnswer,
    keepAlive: boolean,
    headOnly: boolean,
  ): Promise<void> {
    const fits = this.#pending_bytes === 0 ||
      this.#pending_bytes + wanted.body.length <= HTTP_PENDING_MAX_BYTES;
    const answer = fits ? wanted : plainAnswer(503);
    const size_bytes = answer.body.length;
    this.#pending_bytes += size_bytes;
    try {
      await writeAll(connection, formatHead(answer, keepAlive, new Date()));
      if (!headOnly) await writeAll(connection, answer.body);
    } finally {
      this.#pending_bytes -= size_bytes;
    }
  }
}

type Arrived = {
  readonly head: Exclude<Head, { kind: "partial" }>;
  /** Bytes in the buffer, and how many of them the request was. */
  readonly length: number;
  readonly used_bytes: number;
};

/** Reads until the buffer begins with a whole request; undefined if the client ends before. */
async function readRequest(
  connection: Deno.Conn,
  buffer: Uint8Array,
  length: number,
): Promise<Arrived | undefined> {
  for (let searched = 0;;) {
    const head = readHead(buffer.subarray(0, length), searched);
    if (head.kind === "refused") return { head, length, used_bytes: length };
    if (head.kind === "whole") return await skipBody(connection, length, head);
    searched = length;
    const got_bytes = await connection.read(buffer.subarray(length));
    if (got_bytes === null) return undefined;
    length += got_bytes;
  }
}

/** Reads the body of a request, which nobody uses. */
async function skipBody(
  connection: Deno.Conn,
  length: number,
  head: Extract<Head, { kind: "whole" }>,
): Promise<Arrived | undefined> {
  const end = head.head_bytes + head.body_bytes;
  if (end <= length) return { head, length, used_bytes: end };
  const rest = new Uint8Array(end - length);
  for (let at = 0; at < rest.length;) {
    const got_bytes = await connection.read(rest.subarray(at));
    if (got_bytes === null) return undefined;
    at += got_bytes;
  }
  return { head, length, used_bytes: length };
}

/** Lets a stream be written until either end has had enough: whoever goes, stops being read. */
async function stream(connection: Deno.Conn, answer: HttpStream): Promise<void> {
  await writeAll(connection, formatStreamHead(answer, new Date()));
  const end = answer.start((bytes) => connection.write(bytes), () => close(connection));
  try {
    const unread = new Uint8Array(1024);
    while (await connection.read(unread) !== null);
  } finally {
    end();
  }
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

function close(resource: { close(): void }): void {
  try {
    resource.close();
  } catch {
    // It is closed already.
  }
}

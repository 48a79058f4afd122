/** Asks etcd by its JSON gateway, with fetch: one endpoint after the other, none for long. */

import { ETCD_ANSWER_MAX_BYTES, ETCD_RECORDS_MAX, ETCD_TIMEOUT_MS } from "../../../base/limits.ts";
import type { Time } from "../../../base/time.ts";
import { answerError, EtcdError, fetchError, timeoutError } from "./errors.ts";
import {
  encode,
  encodeEnd,
  type Fields,
  type KeyValue,
  LineSplitter,
  listAt,
  objectAt,
  readKeyValue,
  readWatchMessage,
  revisionOf,
  toDigits,
  toInteger,
  type WatchMessage,
  type WriteOptions,
  writeRequest,
} from "./gateway.ts";
import { parseObject } from "./records.ts";

/** How etcd is reached. */
export interface EtcdAccess {
  /** URLs of its members, without a path. */
  readonly endpoints: readonly string[];
  /** For TLS with a CA or a certificate of our own. */
  readonly http?: Deno.HttpClient | undefined;
  readonly user?: { readonly name: string; readonly password: string } | undefined;
}

/** Keys as they were at one revision. */
export interface Listed {
  readonly revision: number;
  readonly keys: readonly KeyValue[];
}

/** What etcd says of the member that was asked. */
export interface MemberStatus {
  readonly version: string;
  readonly hasLeader: boolean;
  /** Size of its database. */
  readonly db_bytes: number;
  /** Its wall clock, to the second; undefined where it does not tell. */
  readonly clock_ms: number | undefined;
}

/** etcd, as far as a node needs it. All throw an EtcdError. */
export interface Etcd {
  /** Where the last answer came from. */
  readonly endpoint: string;
  /** All keys that begin with a prefix. */
  list(prefix: string): Promise<Listed>;
  /** The revision, from this endpoint and from no other; by the right to read a key. */
  revisionAt(endpoint: string, key: string): Promise<number>;
  /** Writes a key if it is as it is known; the revision that it was written at, 0 if it was not. */
  write(options: WriteOptions): Promise<number>;
  /** A new lease; its number. */
  grant(ttl_s: number): Promise<string>;
  /** Renews a lease; how many seconds it has, or 0 where there is none. */
  renew(lease: string): Promise<number>;
  revoke(lease: string): Promise<void>;
  /**
   * Changes below a prefix from a revision on; ends with the stream, or when `signal` says so.
   */
  watch(
    endpoint: string,
    prefix: string,
    revision: number,
    signal: AbortSignal,
  ): AsyncIterable<WatchMessage>;
  status(endpoint: string): Promise<MemberStatus>;
  /** The next call asks another endpoint first. */
  turnAway(): void;
}

/** Whether another endpoint may do better. */
const isElsewhere = (error: unknown): boolean =>
  error instanceof EtcdError && (error.failure === "unreachable" || error.failure === "tls");

/** The real etcd. */
export class EtcdClient implements Etcd {
  #at = 0;
  #token: string | undefined;
  /** The wall clock of whoever answered last. */
  #clock_ms: number | undefined;

  constructor(
    readonly access: EtcdAccess,
    readonly time: Pick<Time, "every">,
    readonly timeout_ms: number = ETCD_TIMEOUT_MS,
  ) {}

  get endpoint(): string {
    return this.access.endpoints[this.#at]!;
  }

  turnAway(): void {
    this.#at = (this.#at + 1) % this.access.endpoints.length;
  }

  async list(prefix: string): Promise<Listed> {
    const answer = await this.#call("kv/range", {
      key: encode(prefix),
      range_end: encodeEnd(prefix),
      limit: `${ETCD_RECORDS_MAX + 2}`,
    });
    return { revision: revisionOf(answer), keys: listAt(answer, "kvs").map(readKeyValue) };
  }

  async revisionAt(endpoint: string, key: string): Promise<number> {
    // The answer takes a leader and a majority.
    const answer = await this.#callAt(endpoint, "kv/range", { key: encode(key), count_only: true });
    return revisionOf(answer);
  }

  async write(options: WriteOptions): Promise<number> {
    const answer = await this.#call("kv/txn", writeRequest(options));
    return answer.succeeded === true ? revisionOf(answer) : 0;
  }

  async grant(ttl_s: number): Promise<string> {
    return toDigits((await this.#call("lease/grant", { TTL: `${ttl_s}` })).ID);
  }

  async renew(lease: string): Promise<number> {
    const answer = await this.#call("lease/keepalive", { ID: lease });
    return Math.max(0, toInteger(objectAt(answer, "result").TTL));
  }

  /** How many seconds a lease has; less than 0 where there is none. */
  async timeLeft(lease: string): Promise<number> {
    return toInteger((await this.#call("lease/timetolive", { ID: lease })).TTL);
  }

  async revoke(lease: string): Promise<void> {
    await this.#call("lease/revoke", { ID: lease });
  }

  async status(endpoint: string): Promise<MemberStatus> {
    const { version, leader, dbSize } = await this.#callAt(endpoint, "maintenance/status", {});
    return {
      version: typeof version === "string" ? version : "",
      hasLeader: toDigits(leader) !== "0",
      db_bytes: toInteger(dbSize),
      clock_ms: this.#clock_ms,
    };
  }

  async *watch(
    endpoint: string,
    prefix: string,
    revision: number,
    signal: AbortSignal,
  ): AsyncGenerator<WatchMessage> {
    const create_request = {
      key: encode(prefix),
      range_end: encodeEnd(prefix),
      start_revision: `${revision}`,
    };
    const ended = new AbortController();
    const end = () => ended.abort();
    signal.addEventListener("abort", end);
    // The answer begins with the watch.
    const timer = this.time.every(this.timeout_ms, end);
    try {
      const response = await this.#withToken(
        endpoint,
        () => this.#post(endpoint, "watch", { create_request }, ended),
      );
      timer.cancel();
      const lines = new LineSplitter(ETCD_ANSWER_MAX_BYTES);
      for await (const bytes of response.body ?? []) {
        for (const line of lines.push(bytes)) yield readWatchMessage(parseObject(line) ?? {});
      }
    } catch (error) {
      if (signal.aborted) return;
      throw this.#explain(endpoint, error, ended);
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", end);
      end();
    }
  }

  /** Asks every endpoint once at most, beginning with the one that answered last. */
  async #call(path: string, body: Fields): Promise<Fields> {
    for (let asked = 1;; asked++) {
      try {
        return await this.#callAt(this.endpoint, path, body);
      } catch (error) {
        if (!isElsewhere(error)) throw error;
        this.turnAway();
        if (asked >= this.access.endpoints.length) throw error;
      }
    }
  }

  #callAt(endpoint: string, path: string, body: Fields): Promise<Fields> {
    return this.#withToken(endpoint, () => this.#ask(endpoint, path, body));
  }

  /** Runs a call with a token, and with a new one if that has become invalid. */
  async #withToken<T>(endpoint: string, call: () => Promise<T>): Promise<T> {
    const { user } = this.access;
    if (!user) return await call();
    this.#token ??= await this.#authenticate(endpoint, user);
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof EtcdError) || error.failure !== "token") throw error;
      this.#token = await this.#authenticate(endpoint, user);
      return await call();
    }
  }

  async #authenticate(
    endpoint: string,
    user: NonNullable<EtcdAccess["user"]>,
  ): Promise<string | undefined> {
    this.#token = undefined;
    try {
      const { token } = await this.#ask(endpoint, "auth/authenticate", { ...user });
      return typeof token === "string" ? token : undefined;
    } catch (error) {
      // Without authentication, etcd knows no users.
      if (error instanceof EtcdError && /not enabled/.test(error.parts.why ?? "")) return undefined;
      throw error;
    }
  }

  /** One answer of one endpoint. */
  async #ask(endpoint: string, path: string, body: Fields): Promise<Fields> {
    const ended = new AbortController();
    const timer = this.time.every(this.timeout_ms, () => ended.abort());
    try {
      const response = await this.#post(endpoint, path, body, ended);
      const text = await readText(response);
      const answer = parseObject(text);
      if (answer) return answer;
      throw answerError(endpoint, response.status, text);
    } catch (error) {
      throw this.#explain(endpoint, error, ended);
    } finally {
      timer.cancel();
      ended.abort();
    }
  }

  #explain(endpoint: string, error: unknown, { signal }: AbortController): EtcdError {
    if (error instanceof EtcdError) return error;
    const { timeout_ms } = this;
    return signal.aborted ? timeoutError(endpoint, timeout_ms) : fetchError(endpoint, error);
  }

  /** Sends a request; the response has begun well. */
  async #post(
    endpoint: string,
    path: string,
    body: Fields,
    { signal }: AbortController,
  ): Promise<Response> {
    const { access: { http } } = this;
    const response = await fetch(`${endpoint}/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: this.#token ? { authorization: this.#token } : {},
      signal,
      redirect: "error",
      ...(http ? { client: http } : {}),
    });
    const date_ms = Date.parse(response.headers.get("date") ?? "");
    this.#clock_ms = Number.isNaN(date_ms) ? undefined : date_ms;
    if (response.ok) return response;
    throw answerError(endpoint, response.status, await readText(response));
  }
}

/** The first line of an answer's text: one that is a stream does not end by itself. Throws a RangeError. */
async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes, { stream: true });
    if (text.length > ETCD_ANSWER_MAX_BYTES) throw new RangeError("an answer without an end");
    if (text.includes("\n")) break;
  }
  return text.split("\n")[0]!;
}

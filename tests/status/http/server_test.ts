import { assert, assertEquals, assertMatch } from "../../assert.ts";
import {
  HTTP_ANSWER_TIMEOUT_MS,
  HTTP_CONNECTIONS_PER_ADDRESS_MAX,
  HTTP_REFUSED_TIMEOUT_MS,
  HTTP_REQUEST_TIMEOUT_MS,
  HTTP_SWEEP_INTERVAL_MS,
} from "../../../src/base/limits.ts";
import { createLog } from "../../../src/base/log.ts";
import { bodyBytes, type HttpAnswer, type WriteSome } from "../../../src/status/http/answer.ts";
import type { HttpRequest } from "../../../src/status/http/request.ts";
import { type Answerer, HttpServer } from "../../../src/status/http/server.ts";

const KINDS = ["127.0.0.1", "::1", "unix"] as const;

/** A server on a socket of its own, on a clock that the test moves. */
class Fixture implements AsyncDisposable {
  readonly #dir = Deno.makeTempDirSync({ prefix: "tunnet-http-" });
  readonly listener: Deno.Listener;
  readonly server: HttpServer;
  readonly lines: string[] = [];
  readonly #opened: Deno.Conn[] = [];
  skipped_ms = 0;

  constructor(
    readonly kind: typeof KINDS[number],
    answer: Answerer = echo,
    wrap: (listener: Deno.Listener) => Deno.Listener = (listener) => listener,
  ) {
    this.listener = kind === "unix"
      ? Deno.listen({ transport: "unix", path: `${this.#dir}/s` })
      : Deno.listen({ hostname: kind, port: 0 });
    const log = createLog({
      ...{ level: "debug", json: false, now: () => new Date(0) },
      write: (line) => this.lines.push(line),
    });
    const now_ms = () => performance.now() + this.skipped_ms;
    this.server = new HttpServer({
      ...{ listener: wrap(this.listener), answer, log, now_ms },
      where: "here",
    });
  }

  async connect(): Promise<Deno.Conn> {
    const { addr } = this.listener;
    const connection = addr.transport === "unix"
      ? await Deno.connect({ transport: "unix", path: addr.path })
      : await Deno.connect(addr as Deno.NetAddr & { transport: "tcp" });
    this.#opened.push(connection);
    return connection;
  }

  /** Sends a text on a connection of its own, and reads to the end of what comes back. */
  async ask(text: string): Promise<string> {
    const connection = await this.connect();
    await write(connection, text);
    return await readAll(connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    for (const connection of this.#opened) {
      try {
        connection.close();
      } catch {
        // The test has closed it.
      }
    }
    Deno.removeSync(this.#dir, { recursive: true });
  }
}

const echo = ({ method, path, host }: HttpRequest): HttpAnswer => ({
  status: 200,
  headers: { "x-a": "b" },
  body: bodyBytes(`${method} ${path} ${host}`),
});

const write = (connection: Deno.Conn, text: string) => connection.write(bodyBytes(text));

/** All that comes until the connection ends, by whichever end. */
async function readAll(connection: Deno.Conn): Promise<string> {
  let text = "";
  const chunk = new Uint8Array(65_536);
  try {
    for (let size; (size = await connection.read(chunk)) !== null;) {
      text += new TextDecoder().decode(chunk.subarray(0, size));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
  return text;
}

async function readTo(connection: Deno.Conn, end: string): Promise<string> {
  let text = "";
  const chunk = new Uint8Array(65_536);
  while (!text.endsWith(end)) {
    const size = await connection.read(chunk);
    assert(size !== null, `ended at ${text}`);
    text += new TextDecoder().decode(chunk.subarray(0, size));
  }
  return text;
}

const last = (path: string) => `GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`;
const next = (path: string) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`;

for (const kind of KINDS) {
  Deno.test(`http server: one answer, and the end (${kind})`, async () => {
    await using at = new Fixture(kind);
    const answer = await at.ask(last("/a"));
    assertMatch(
      answer,
      /^HTTP\/1\.1 200 OK\r\nx-a: b\r\ncontent-length: 8\r\ndate: [^\r]+ GMT\r\nconnection: close\r\n\r\nGET \/a h$/,
    );
    assertMatch(await at.ask("GET / HTTP/1.0\r\n\r\n"), /GET \/ null$/);
    assertMatch(await at.ask("HEAD /x HTTP/1.0\r\n\r\n"), /content-length: 12\r\n[^]*\r\n\r\n$/);
  });

  Deno.test(`http server: requests one after the other, whole, in pieces and at once (${kind})`, async () => {
    await using at = new Fixture(kind);
    const connection = await at.connect();
    await write(connection, next("/1"));
    assertMatch(await readTo(connection, "GET /1 h"), /connection: keep-alive/);
    const second = "POST /2 HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody";
    for (const piece of second.match(/[^]{1,9}/g)!) {
      await write(connection, piece);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    await readTo(connection, "POST /2 null");
    await write(connection, next("/3") + second + last("/4"));
    const rest = await readAll(connection);
    assertEquals(rest.match(/(GET|POST) \/\d (h|null)/g), ["GET /3 h", "POST /2 null", "GET /4 h"]);
  });

  Deno.test(`http server: silence, half a request and an idle connection are cut off (${kind})`, async () => {
    await using at = new Fixture(kind);
    const [silent, half, idle] = [await at.connect(), await at.connect(), await at.connect()];
    await write(half, "GET / HTTP/1.1\r\nX: ");
    await write(idle, next("/"));
    await readTo(idle, "GET / h");
    const ended = Promise.all([silent, half, idle].map(readAll));
    at.skipped_ms += HTTP_REQUEST_TIMEOUT_MS / 2;
    // More bytes are no more time.
    await write(half, "y");
    at.skipped_ms += HTTP_REQUEST_TIMEOUT_MS / 2;
    assertEquals(await ended, ["", "", ""]);
    assertEquals(at.server.connections, 0);
    assertEquals(at.lines, []);
  });

  Deno.test(`http server: silent connections without end keep nobody out (${kind})`, async () => {
    await using at = new Fixture(kind);
    for (let i = 0; i < 300; i++) {
      await at.connect();
      assert(at.server.connections <= HTTP_CONNECTIONS_PER_ADDRESS_MAX);
    }
    assertMatch(await at.ask(last("/a")), /GET \/a h$/);
  });

  Deno.test(`http server: a reader that reads nothing is cut off (${kind})`, async () => {
    const body = new Uint8Array(32 * 1024 * 1024);
    await using at = new Fixture(kind, () => ({ status: 200, headers: {}, body }));
    const connection = await at.connect();
    await write(connection, next("/"));
    const chunk = new Uint8Array(1_000);
    assert(await connection.read(chunk));
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = setInterval(() => {
      if (at.server.connections === 0) resolve();
    }, 10);
    at.skipped_ms += HTTP_ANSWER_TIMEOUT_MS;
    await promise;
    clearInterval(look);
    assert((await readAll(connection)).length < body.length);
  });

  Deno.test(`http server: who asks wrongly is told why (${kind})`, async () => {
    await using at = new Fixture(kind);
    const status = async (text: string) => (await at.ask(text)).split(" ")[1];
    assertEquals(await status("hello\r\n\r\n"), "400");
    assertEquals(await status("GET / HTTP/2.0\r\n\r\n"), "505");
    const connection = await at.connect();
    // More than the sockets' buffers hold, so that it is read on after the answer.
    void connection.write(bodyBytes(`GET / HTTP/1.1\r\nX: ${"x".repeat(8 * 1024 * 1024)}`))
      .catch(() => {});
    assertMatch(await readTo(connection, "Large\n"), /^HTTP\/1\.1 431 .*\r\n[^]*connection: close/);
    const ended = readAll(connection);
    at.skipped_ms += HTTP_REFUSED_TIMEOUT_MS;
    assertEquals(await ended, "");
  });
}

Deno.test("http server: a stream goes on until its writer or its client has had enough", async () => {
  let ended = 0;
  const writers: { write: WriteSome; close: () => void }[] = [];
  await using at = new Fixture("unix", () => ({
    headers: { "content-type": "x" },
    start: (write, close) => {
      writers.push({ write, close });
      return () => ended++;
    },
  }));
  const client = await at.connect();
  await write(client, last("/"));
  const got = new Uint8Array(1000);
  const size = await client.read(got);
  const head = new TextDecoder().decode(got.subarray(0, size ?? 0));
  assertMatch(head, /^HTTP\/1\.1 200 OK\r\ncontent-type: x\r\n[^]*connection: close\r\n\r\n$/);
  assert(!head.includes("content-length"));
  at.skipped_ms += 10 * HTTP_ANSWER_TIMEOUT_MS;
  await new Promise((resolve) => setTimeout(resolve, 2 * HTTP_SWEEP_INTERVAL_MS));
  await writers[0]!.write(new TextEncoder().encode("still there"));
  assertEquals(
    new TextDecoder().decode(got.subarray(0, await client.read(got) ?? 0)),
    "still there",
  );
  client.close();
  while (ended < 1) await new Promise((resolve) => setTimeout(resolve, 5));
  const other = await at.connect();
  await write(other, last("/"));
  await other.read(got);
  writers[1]!.close();
  assertEquals(await other.read(got), null);
  while (ended < 2) await new Promise((resolve) => setTimeout(resolve, 5));
});

Deno.test("http server: what a handler throws is a bug, and the server goes on", async () => {
  await using at = new Fixture("127.0.0.1", ({ path }) => {
    if (path === "/bad") throw new Error("broken");
    return path === "/late"
      ? Promise.reject(new Error("late"))
      : echo({ method: "", path, query: "", ours: false, host: "" });
  });
  assertMatch(await at.ask(last("/bad")), /^HTTP\/1\.1 500 /);
  assertMatch(await at.ask(last("/late")), /^HTTP\/1\.1 500 /);
  assertMatch(await at.ask(last("/good")), /^HTTP\/1\.1 200 /);
  assertEquals(at.lines.map((line) => /bug in tunnet: Error: (\w+)/.exec(line)?.[1]), [
    "broken",
    "late",
  ]);
});

Deno.test("http server: out of descriptors: told once, idle ones are closed, it goes on", async () => {
  let failures = 0;
  let failing = false;
  const wrap = (listener: Deno.Listener): Deno.Listener =>
    Object.assign(Object.create(listener), {
      accept: async () => {
        const connection = await listener.accept();
        if (!failing) return connection;
        connection.close();
        if (++failures === 2) failing = false;
        throw new Error("Too many open files (os error 24)");
      },
      close: () => listener.close(),
    });
  await using at = new Fixture("127.0.0.1", echo, wrap);
  const idle = await at.connect();
  await write(idle, next("/"));
  await readTo(idle, "GET / h");
  failing = true;
  assertEquals(await at.ask(""), "");
  assertEquals(await readAll(idle), "");
  assertEquals(await at.ask(""), "");
  assertMatch(await at.ask(last("/a")), /GET \/a h$/);
  assertEquals([failures, at.lines.length], [2, 2]);
  assertMatch(at.lines[0]!, /warn.*here: no connection can be accepted \(Too many open files/);
  assertMatch(at.lines[1]!, /here: connections are accepted again/);
});

Deno.test("http server: hammered, it answers at its rate and all in turn", async () => {
  let answered = 0;
  await using at = new Fixture("127.0.0.1", (request) => {
    answered++;
    return echo(request);
  });
  const begin_ms = performance.now();
  const hammer = async () => {
    const connection = await at.connect();
    let own = 0;
    for (; performance.now() < begin_ms + 2_000; own++) {
      await write(connection, next("/"));
      await readTo(connection, "GET / h");
    }
    return own;
  };
  const shares = await Promise.all(Array.from({ length: 8 }, hammer));
  // A second's worth at once, and two seconds.
  assert(answered <= 3 * 200 + 8, `${answered}`);
  assert(answered > 200, `${answered}`);
  assert(Math.max(...shares) < 2 * Math.min(...shares), `${shares}`);
});

Deno.test("http server: as many as it takes, who ask without end, keep nobody out", async () => {
  await using at = new Fixture("127.0.0.1");
  let done = false;
  let answered = 0;
  const hammer = async () => {
    const connection = await at.connect();
    try {
      while (!done) {
        await write(connection, next("/"));
        await readTo(connection, "GET / h");
        answered++;
      }
      return true;
    } catch {
      return false;
    }
  };
  const hammers = Array.from({ length: HTTP_CONNECTIONS_PER_ADDRESS_MAX }, hammer);
  // More than the rate lets through at once: from here on they queue.
  while (answered < 250) await new Promise((resolve) => setTimeout(resolve, 5));
  for (let i = 0; i < 5; i++) assertMatch(await at.ask(last("/a")), /GET \/a h$/);
  done = true;
  const gone = (await Promise.all(hammers)).filter((kept) => !kept).length;
  assert(gone >= 1 && gone <= 5, `${gone}: one for each of the five at most`);
});

import { assert, assertEquals, assertRejects, assertThrows } from "../assert.ts";
import { RunError, UsageError } from "../../src/base/errors.ts";
import { createLog } from "../../src/base/log.ts";
import { askStatus, findSocket } from "../../src/status/client.ts";
import { forwardedPackets } from "../../src/status/forward.ts";
import { answer } from "../../src/status/handler.ts";
import { askPackets, type LivePackets } from "../../src/status/live.ts";
import { askReload } from "../../src/status/reload.ts";
import { History } from "../../src/status/model/history.ts";
import { type HttpEndpoint, StatusServer } from "../../src/status/server.ts";
import {
  clearSocketPath,
  ensureSocketDirectory,
  isOfNamespace,
  listenOnSocket,
  socketName,
} from "../../src/status/socket.ts";
import { statusOf } from "./parts.ts";

const uid = Deno.uid() ?? 0;

/** A directory that is removed afterwards. */
function temporary(): { path: string } & Disposable {
  const path = Deno.makeTempDirSync({ prefix: "tunnet-socket-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

function server(
  socket: string,
  http?: Pick<HttpEndpoint, "host" | "port">,
  lines: LivePackets["lines"] = () => STREAM,
) {
  const logged: string[] = [];
  const log = createLog({
    ...{ level: "debug", json: false, now: () => new Date(0) },
    write: (line) => logged.push(line),
  });
  const parts = {
    status: () => statusOf(),
    reload: () => Promise.resolve({ ok: false, exitCode: 2, lines: ["one", "two"] }),
    socket,
    place: { device: "tunnet0", netns: undefined, uid },
    leavesRoot: false,
    filter: "none",
    http: http && { ...http, names: ["node-a", "*.lan"], trace: false },
    events: () => log.recent(),
    history: new History(),
    clock: () => ({ wall_ms: 0, monotonic_ms: 0 }),
    packets: { lines, capture: () => STREAM },
    log,
  };
  return { server: new StatusServer(parts), lines: logged };
}

/** A stream of nothing. */
const STREAM = { headers: {}, start: () => () => {} };

/** A port that nobody listens on. */
function freePort(hostname: string): number {
  using probe = Deno.listen({ hostname, port: 0 });
  return probe.addr.port;
}

Deno.test("socket: names differ by namespace, and tell it", () => {
  assertEquals(socketName("tunnet0", undefined), "tunnet0.sock");
  assertEquals(socketName("tunnet0", "lab-a"), "tunnet0:lab-a.sock");
  for (const netns of [undefined, "a", "b", "a.sock", "x:y"]) {
    for (const other of [undefined, "a", "b", "a.sock", "x:y"]) {
      assertEquals(isOfNamespace(socketName("t@0", netns), other), netns === other);
    }
  }
  assert(!isOfNamespace("tunnet0.pid", undefined));
});

Deno.test("socket: only its owner can use it, and it goes when the server ends", async () => {
  using dir = temporary();
  const path = `${dir.path}/s.sock`;
  const { server: one } = server(path);
  const umask = Deno.umask();
  await one.open();
  assertEquals(Deno.umask(), umask);
  assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
  assertEquals(await askStatus(path), statusOf());
  await one.close();
  assertThrows(() => Deno.statSync(path), Deno.errors.NotFound);
});

Deno.test("socket: one that a killed node left is replaced, a live one is refused", async () => {
  using dir = temporary();
  const path = `${dir.path}/s.sock`;
  // A process that ends without a word leaves its socket behind.
  const left = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `Deno.listen({ transport: "unix", path: ${
        JSON.stringify(path)
      } }); Deno.kill(Deno.pid, "SIGKILL")`,
    ],
  });
  assertEquals((await left.output()).signal, "SIGKILL");
  assert(Deno.statSync(path).isSocket);
  const { server: one } = server(path);
  await one.open();
  assertEquals(await askStatus(path), statusOf());
  const { server: two } = server(path);
  await assertRejects(() => two.open(), RunError, "another node serves it");
  await two.close();
  assertEquals(await askStatus(path), statusOf(), "the first one goes on");
  await one.close();
});

Deno.test("socket: what is no socket is left alone", async () => {
  using dir = temporary();
  const path = `${dir.path}/s.sock`;
  Deno.writeTextFileSync(path, "precious");
  await assertRejects(() => clearSocketPath(path), RunError, "is no socket");
  assertEquals(Deno.readTextFileSync(path), "precious");
  const link = `${dir.path}/link`;
  Deno.symlinkSync(path, link);
  await assertRejects(() => clearSocketPath(link), RunError, "is no socket");
});

Deno.test("socket: paths that cannot be", async () => {
  using dir = temporary();
  const long = `${dir.path}/${"x".repeat(108 - dir.path.length)}`;
  await assertRejects(() => clearSocketPath(long), RunError, "109 bytes, at most 107");
  assertThrows(() => listenOnSocket(`${dir.path}/no/s.sock`), RunError, "no such directory");
});

Deno.test("socket: a directory of somebody else, or open to all, is refused", () => {
  using dir = temporary();
  const path = `${dir.path}/tunnet`;
  ensureSocketDirectory(path, uid);
  assertEquals(Deno.statSync(path).mode! & 0o777, 0o755);
  ensureSocketDirectory(path, uid);
  assertThrows(() => ensureSocketDirectory(path, uid + 1), RunError, `belongs to user ${uid}`);
  Deno.chmodSync(path, 0o777);
  assertThrows(() => ensureSocketDirectory(path, uid), RunError, "others may write in it");
  Deno.symlinkSync(path, `${dir.path}/link`);
  assertThrows(() => ensureSocketDirectory(`${dir.path}/link`, uid), RunError, "no directory");
});

Deno.test("http: served beside the socket; other names are refused", async () => {
  using dir = temporary();
  const port = freePort("127.0.0.1");
  const { server: one, lines } = server(`${dir.path}/s.sock`, { host: "127.0.0.1", port });
  await one.open();
  assertEquals(one.http, `http://127.0.0.1:${port}`);
  assertEquals(lines, []);
  const raw = async (host: string) => {
    using connection = await Deno.connect({ port });
    await connection.write(
      new TextEncoder().encode(
        `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      ),
    );
    const bytes = new Uint8Array(4096);
    const size = await connection.read(bytes);
    return new TextDecoder().decode(bytes.subarray(0, size ?? 0)).split("\r\n")[0];
  };
  assertEquals(await raw(`localhost:${port}`), "HTTP/1.1 200 OK");
  assertEquals(await raw("192.168.0.1"), "HTTP/1.1 200 OK");
  assertEquals(await raw("Node-A:9309"), "HTTP/1.1 200 OK");
  assertEquals(await raw("prometheus.lan"), "HTTP/1.1 200 OK");
  for (const name of ["rebound.example", "node-a.evil.example", "evil-lan", "lan", "x.lan.evil"]) {
    assertEquals(await raw(name), "HTTP/1.1 421 Misdirected Request", name);
  }
  const { server: two } = server(`${dir.path}/t.sock`, { host: "127.0.0.1", port });
  await assertRejects(() => two.open(), RunError, "another program uses the port");
  await two.close();
  await one.close();
});

Deno.test("http: an address that others reach is warned of", async () => {
  using dir = temporary();
  const port = freePort("0.0.0.0");
  const { server: one, lines } = server(`${dir.path}/s.sock`, { host: "0.0.0.0", port });
  await one.open();
  await one.close();
  assertEquals(lines.length, 1);
  assert(/warn.*0\.0\.0\.0.*everyone who can reach it/.test(lines[0]!), lines[0]);
});

Deno.test("packets: asked for on the socket, and forwarded by another process", async () => {
  using dir = temporary();
  const path = `${dir.path}/s.sock`;
  let ended = 0;
  const { server: one } = server(path, undefined, (query) => {
    const filter = query.get("filter");
    if (filter === "wrong") {
      return answer(JSON.stringify({ what: "no filter", how: "icmp" }), "application/json", 400);
    }
    return {
      headers: {},
      start: (write, close) => {
        void write(new TextEncoder().encode(`one ${filter}\n`)).then(close);
        return () => ended++;
      },
    };
  });
  await one.open();
  const ask = async (filter: string) => {
    const { signal } = new AbortController();
    let text = "";
    for await (
      const chunk of askPackets(path, { what: "trace", filter, colour: false, signal })
    ) text += new TextDecoder().decode(chunk);
    return text;
  };
  assertEquals(await ask("a b"), "one a b\n");
  await assertRejects(() => ask("wrong"), UsageError, "no filter; try: icmp");
  const forwarded = async (filter: string) => {
    const stream = forwardedPackets(path).lines(new URLSearchParams({ filter }));
    assert("start" in stream);
    let text = "";
    const done = Promise.withResolvers<void>();
    stream.start((bytes) => {
      text += new TextDecoder().decode(bytes);
      return Promise.resolve(bytes.length);
    }, done.resolve);
    await done.promise;
    return text;
  };
  assertEquals(await forwarded("x"), "one x\n");
  const problem = { what: "no filter", how: "icmp" };
  assertEquals(JSON.parse(await forwarded("wrong")), { problem });
  await one.close();
  assertEquals(ended, 2);
  await assertRejects(() => ask(""), RunError, "no node runs here");
});

Deno.test("client: nobody there, or nobody who answers", async () => {
  using dir = temporary();
  const path = `${dir.path}/s.sock`;
  await assertRejects(() => askStatus(path), RunError, "no node runs here");
  using listener = Deno.listen({ transport: "unix", path });
  const answerWith = async (text: string) => {
    const asking = askStatus(path);
    asking.catch(() => {});
    // The first connection only shows that somebody listens.
    (await listener.accept()).close();
    using connection = await listener.accept();
    await connection.read(new Uint8Array(1024));
    await connection.write(new TextEncoder().encode(text));
    connection.close();
    return await asking;
  };
  await assertRejects(() => answerWith("hello\n"), RunError, "invalid HTTP");
  await assertRejects(() => answerWith("HTTP/1.1 500 X\r\n\r\n"), RunError, "status 500");
  await assertRejects(() => answerWith("HTTP/1.1 200 OK\r\n\r\n{"), RunError, "cannot ask");
  await assertRejects(
    () => answerWith('HTTP/1.1 200 OK\r\n\r\n{"format":"tunnet-status/9"}'),
    RunError,
    'speaks "tunnet-status/9", not tunnet-status/1',
  );
});

Deno.test("client: a socket that is named is not looked for", () => {
  const choice = { socket: "/x.sock", device: undefined, netns: undefined, uid };
  assertEquals(findSocket(choice), "/x.sock");
});

Deno.test("reload: over the socket, by POST, and never over HTTP", async () => {
  using dir = temporary();
  const path = `${dir.path}/s.sock`;
  const port = freePort("127.0.0.1");
  const { server: one } = server(path, { host: "127.0.0.1", port });
  await one.open();
  try {
    assertEquals(await askReload(path), { ok: false, exitCode: 2, lines: ["one", "two"] });
    const answer = await fetch(`http://127.0.0.1:${port}/reload`, { method: "POST" });
    await answer.body?.cancel();
    assertEquals(answer.status, 405);
  } finally {
    await one.close();
  }
  await assertRejects(() => askReload(path), RunError, "no node runs here");
});

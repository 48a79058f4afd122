import { assert, assertEquals } from "../../assert.ts";
import {
  HTTP_CONNECTIONS_MAX,
  HTTP_CONNECTIONS_PER_ADDRESS_MAX,
  HTTP_REQUEST_TIMEOUT_MS,
} from "../../../src/base/limits.ts";
import {
  clientOf,
  Connections,
  type OpenConnection,
} from "../../../src/status/http/connections.ts";

const CLIENTS: readonly [address: string | undefined, client: string][] = [
  ["127.0.0.1", "127.0.0.1"],
  ["::ffff:127.0.0.1", "127.0.0.1"],
  ["::ffff:7f00:1", "127.0.0.1"],
  ["fd00::1", "253:0:0:0:0:0:0:0"],
  ["fd00::ffff:1", "253:0:0:0:0:0:0:0"],
  ["fe80::1%eth0", "254:128:0:0:0:0:0:0"],
  [undefined, ""],
];

for (const [address, client] of CLIENTS) {
  Deno.test(`http connections: ${address} counts as "${client}"`, () => {
    assertEquals(clientOf(address), client);
  });
}

function opened() {
  let now_ms = 0;
  const connections = new Connections(() => now_ms);
  const closed: string[] = [];
  const add = (client: string, name = client): OpenConnection | undefined =>
    connections.add(client, () => closed.push(name));
  return { connections, closed, add, pass: (ms: number) => now_ms += ms };
}

Deno.test("http connections: of one client, the one that has waited longest gives way", () => {
  const { connections, closed, add } = opened();
  const first = add("a", "first")!;
  first.waiting = false;
  for (let i = 1; i < HTTP_CONNECTIONS_PER_ADDRESS_MAX; i++) add("a", `${i}`);
  add("b", "other");
  assertEquals(closed, []);
  assert(add("a", "new"));
  assertEquals(closed, ["1"], "not the one that is being answered, not the other's");
  assertEquals(connections.size, HTTP_CONNECTIONS_PER_ADDRESS_MAX + 1);
});

Deno.test("http connections: who is being answered never gives way", () => {
  const { connections, closed, add } = opened();
  for (let i = 0; i < HTTP_CONNECTIONS_PER_ADDRESS_MAX; i++) add("a")!.waiting = false;
  assertEquals([add("a"), closed], [undefined, []]);
  assert(add("b"));
  for (let i = 0; connections.size < HTTP_CONNECTIONS_MAX; i++) add(`c${i}`)!.waiting = false;
  assert(add("d"));
  assertEquals(closed, ["b"]);
});

Deno.test("http connections: who asks again and again gives way to who asks for the first time", () => {
  const { connections, closed, add } = opened();
  for (let i = 0; i < HTTP_CONNECTIONS_PER_ADDRESS_MAX; i++) {
    Object.assign(add("a", `${i}`)!, { waiting: false, queuing: i > 7 });
  }
  assert(add("a"));
  assertEquals(closed, ["8"]);
  for (let i = 0; connections.size < HTTP_CONNECTIONS_MAX; i++) {
    Object.assign(add(`c${i}`)!, { waiting: false, queuing: true });
  }
  assert(add("d"));
  assertEquals(closed, ["8", "a"], "silence goes first");
  assert(add("e"));
  assertEquals(closed, ["8", "a", "d"]);
});

Deno.test("http connections: however many come from however many, they are bounded", () => {
  const { connections, closed, add } = opened();
  for (let i = 0; i < 10_000; i++) add(`client ${i % 97}`);
  assertEquals(connections.size, HTTP_CONNECTIONS_MAX);
  assertEquals(closed.length, 10_000 - HTTP_CONNECTIONS_MAX);
  connections.closeAll();
  assertEquals([connections.size, closed.length], [0, 10_000]);
  for (let i = 0; i < HTTP_CONNECTIONS_PER_ADDRESS_MAX; i++) assert(add("client 1"));
  assertEquals(closed.length, 10_000, "none is counted that has gone");
});

Deno.test("http connections: what takes too long is closed, once", () => {
  const { connections, closed, add, pass } = opened();
  const late = add("late")!;
  const busy = add("busy")!;
  busy.deadline_ms = Infinity;
  pass(HTTP_REQUEST_TIMEOUT_MS - 1);
  connections.sweep();
  assertEquals(closed, []);
  add("young");
  pass(1);
  connections.sweep();
  assertEquals(closed, ["late"]);
  connections.remove(late);
  assertEquals(connections.size, 2);
  busy.waiting = false;
  connections.closeWaiting();
  assertEquals(closed, ["late", "young"]);
});

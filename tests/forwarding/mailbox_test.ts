import { HELLO_BYTES } from "../../src/wire/hello.ts";
import { assert, assertEquals } from "../assert.ts";
import { CONTROL_MAX_BYTES, NODES_MAX } from "../../src/base/limits.ts";
import { Mailbox, SENDER_WORDS } from "../../src/forwarding/mailbox.ts";
import { random } from "../fuzz/random.ts";

const SENDERS = Int32Array.from({ length: 2 * SENDER_WORDS }, (_, i) => i);

function put(box: Mailbox, peer: number, verified: boolean, n: number, length = 200): boolean {
  const source = new Uint8Array(length + 3).fill(n & 0xff);
  return box.put(peer, verified, source, 3, length, SENDERS, SENDER_WORDS);
}

function all(box: Mailbox, most = Infinity) {
  const got: [peer: number, verified: boolean, first: number, length: number, largest: number][] =
    [];
  box.take(most, ({ peer, verified, bytes, length, largest }) => {
    got.push([peer, verified, bytes[0]!, length, largest]);
  });
  return got;
}

Deno.test("mailbox: the newest of each peer and kind, and how large any was", () => {
  const box = new Mailbox();
  assertEquals(put(box, 0, true, 1), false);
  assertEquals(put(box, 0, true, 2, 1472), true, "one is replaced");
  assertEquals(put(box, 0, true, 3), true);
  assertEquals(put(box, 0, false, 4), false, "what anybody can send replaces nothing verified");
  assertEquals(put(box, NODES_MAX - 1, false, 5), false);
  assertEquals(all(box), [
    [0, true, 3, 200, 1472],
    [0, false, 4, 200, 200],
    [NODES_MAX - 1, false, 5, 200, 200],
  ]);
  assertEquals(all(box), []);
  assertEquals(put(box, 0, true, 6), false);
  assertEquals(all(box), [[0, true, 6, 200, 200]], "sizes are of one look");
});

Deno.test("mailbox: a long one is cut, and its sender is kept", () => {
  const box = new Mailbox();
  put(box, 7, true, 9, HELLO_BYTES);
  put(box, 7, true, 9, HELLO_BYTES);
  put(box, 7, true, 9, 60_000);
  box.take(1, ({ bytes, length, sender, count }) => {
    assertEquals(count, 2, "one that tries a size is not counted");
    assertEquals([bytes.length, length], [CONTROL_MAX_BYTES, 60_000]);
    assertEquals(sender, SENDERS.slice(SENDER_WORDS));
  });
});

Deno.test("mailbox: the reader is told once until it looks, and everybody gets a turn", () => {
  const box = new Mailbox();
  for (let peer = 0; peer < 100; peer++) put(box, peer, true, peer);
  assertEquals([box.announce(), box.announce(), box.announced], [true, false, true]);
  const seen = new Set<number>();
  for (let i = 0; i < 10; i++) {
    const got = all(box, 10);
    assertEquals(got.length, 10);
    for (const [peer] of got) seen.add(peer);
    // Those that were seen come back at once.
    for (const [peer] of got) put(box, peer, true, peer);
  }
  assert(seen.size === 100, `${seen.size} of 100 had a turn`);
  assertEquals(box.announced, false);
  assertEquals(box.announce(), true);
});

Deno.test("mailbox: beside a naive one, on random walks", () => {
  const { below } = random(5);
  const box = new Mailbox();
  const naive = new Map<string, [number, number]>();
  for (let step = 0; step < 20_000; step++) {
    const [peer, verified, length] = [below(40), below(2) === 0, 1 + below(2_000)];
    if (below(4) > 0) {
      const key = `${peer} ${verified}`;
      const before = naive.get(key);
      assertEquals(put(box, peer, verified, step, length), before !== undefined);
      naive.set(key, [step & 0xff, Math.max(length, before?.[1] ?? 0)]);
    } else {
      box.take(1 + below(8), ({ peer, verified, bytes, largest }) => {
        const key = `${peer} ${verified}`;
        assertEquals([bytes[0]!, largest], naive.get(key));
        naive.delete(key);
      });
    }
  }
  assertEquals(all(box).length, naive.size);
});

Deno.test("mailbox: what another thread is writing is never read half", async () => {
  const box = new Mailbox();
  const url = new URL("./mailbox_worker.ts", import.meta.url).href;
  const worker = new Worker(url, { type: "module" });
  try {
    const done = Promise.withResolvers<void>();
    worker.onmessage = () => done.resolve();
    worker.onerror = (event) => done.reject(event.error);
    worker.postMessage(box.memory);
    let finished = false;
    void done.promise.then(() => finished = true);
    let read = 0;
    while (!finished) {
      box.take(Infinity, ({ bytes, length, sender }) => {
        read++;
        assert(bytes.every((byte) => byte === bytes[0]), "one hello's bytes");
        assertEquals(length & 0xff, bytes[0]);
        assert(sender.every((word) => word === length), "and its sender");
      });
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    await done.promise;
    assert(read > 10, `${read} were read meanwhile`);
  } finally {
    worker.terminate();
  }
});

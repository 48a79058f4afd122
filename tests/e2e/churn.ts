/**
 * Writes records of nodes that are not there into etcd: `churn.ts URL fill N`, then
 * `churn.ts URL change N RATE SECONDS`, which takes one away and puts one back in turn. Prints how
 * many changes were made, and how many records are left.
 */

const [url, what, count, rate, seconds] = Deno.args;
const N = Number(count);
const BASE = "/coreos.com/network/subnets/";

/** Subnet and address of record `i`; a changed one has an address of another block. */
const keyOf = (i: number) => btoa(`${BASE}10.${64 + (i >> 8)}.${i & 255}.0-24`);
const valueOf = (i: number, turn: number) =>
  btoa(`{"PublicIP":"198.${18 + (turn & 1)}.${i >> 8}.${i & 255}","PublicIPv6":null}`);

async function post(path: string, body: unknown): Promise<void> {
  const response = await fetch(`${url}/v3/${path}`, { method: "POST", body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
}

/** The first ones are left to the nodes that are there. */
const FIRST = 256;

if (what === "fill") {
  for (let i = 0; i < N; i += 100) {
    const some = Array.from({ length: Math.min(100, N - i) }, (_, j) => FIRST + i + j);
    await post("kv/txn", {
      success: some.map((at) => ({ request_put: { key: keyOf(at), value: valueOf(at, 0) } })),
    });
  }
  console.log(`0 ${N}`);
} else {
  const begun_ms = performance.now();
  const changes = Number(rate) * Number(seconds);
  const made: Promise<void>[] = [];
  for (let i = 0; i < changes; i++) {
    const at = FIRST + (i >> 1) * 7 % N;
    const turn = 1 + Math.floor((i >> 1) / N);
    // etcd has several on their way to its disk at a time; a record goes before it comes back.
    made.push(
      i % 2 === 0
        ? post("kv/deleterange", { key: keyOf(at) })
        : made[i - 1]!.then(() => post("kv/put", { key: keyOf(at), value: valueOf(at, turn) })),
    );
    const due_ms = begun_ms + 1_000 * (i + 1) / Number(rate);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due_ms - performance.now())));
  }
  await Promise.all(made);
  const left = N - changes % 2;
  const took_s = (performance.now() - begun_ms) / 1_000;
  console.log(`${(changes / took_s).toFixed(1)} ${left}`);
}

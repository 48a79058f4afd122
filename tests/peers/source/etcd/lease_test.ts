import { assertEquals } from "../../../assert.ts";
import { parsePrefix } from "../../../../src/net/prefix.ts";
import { type HeldLease, LeaseMachine } from "../../../../src/peers/source/etcd/lease.ts";

const LEASE: HeldLease = {
  subnet: parsePrefix("10.5.1.0/24")!.prefix,
  id: "7",
  ttl_ms: 30_000,
};

Deno.test("etcd lease: it is got, and renewed after a third of its time", () => {
  const machine = new LeaseMachine();
  assertEquals(machine.next(0), { what: "acquire" });
  machine.acquired(1_000, LEASE);
  assertEquals(machine.next(10_999), { what: "wait", until_ms: 11_000 });
  assertEquals(machine.next(11_000), { what: "renew", lease: LEASE });
  machine.renewed(11_000, "7", 30_000);
  assertEquals(machine.next(11_000), { what: "wait", until_ms: 21_000 });
  assertEquals(machine.renewed_ms, 11_000);
});

Deno.test("etcd lease: a long one is renewed every minute", () => {
  const machine = new LeaseMachine();
  machine.acquired(0, { ...LEASE, ttl_ms: 86_400_000 });
  assertEquals(machine.next(0), { what: "wait", until_ms: 60_000 });
});

Deno.test("etcd lease: attempts that fail come less often, and it is held meanwhile", () => {
  const machine = new LeaseMachine();
  machine.acquired(0, LEASE);
  let now_ms = 10_000;
  const waits: number[] = [];
  for (let i = 0; i < 7; i++) {
    machine.failed(now_ms);
    const due = machine.next(now_ms);
    if (due.what !== "wait") throw new Error(due.what);
    waits.push(due.until_ms - now_ms);
    now_ms = due.until_ms;
  }
  assertEquals(waits, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
  assertEquals(machine.next(now_ms), { what: "renew", lease: LEASE });
  machine.renewed(now_ms, "7", 1_000);
  assertEquals(machine.failures, 0);
});

Deno.test("etcd lease: one that has ended, been deleted or written over is got anew", () => {
  const lost = (lose: (machine: LeaseMachine) => void) => {
    const machine = new LeaseMachine();
    machine.acquired(0, LEASE);
    lose(machine);
    return [machine.lease, machine.next(250).what];
  };
  assertEquals(lost((machine) => machine.renewed(0, "7", 0)), [undefined, "acquire"]);
  assertEquals(lost((machine) => machine.heard(0, { what: "deleted" })), [undefined, "acquire"]);
  assertEquals(lost((machine) => machine.heard(0, { what: "written", lease: "8" })), [
    undefined,
    "acquire",
  ]);
  assertEquals(lost((machine) => machine.heard(0, { what: "written", lease: "7" })), [
    LEASE,
    "wait",
  ]);
});

Deno.test("etcd lease: an answer to what was asked of an earlier lease says nothing", () => {
  const machine = new LeaseMachine();
  machine.acquired(0, LEASE);
  machine.renewed(0, "6", 0);
  assertEquals(machine.lease, LEASE);
  assertEquals(new LeaseMachine().heard(0, { what: "deleted" }), false);
});

Deno.test("etcd lease: whoever has it taken again and again asks ever less often", () => {
  const machine = new LeaseMachine();
  let now_ms = 0;
  const waits: number[] = [];
  for (let i = 0; i < 6; i++) {
    machine.acquired(now_ms, LEASE);
    machine.heard(now_ms, { what: "written", lease: "8" });
    const due = machine.next(now_ms);
    if (due.what !== "wait") throw new Error(due.what);
    waits.push(due.until_ms - now_ms);
    now_ms = due.until_ms;
  }
  assertEquals(waits, [250, 500, 1_000, 2_000, 4_000, 5_000]);
});

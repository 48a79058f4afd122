import { assertEquals, assertRejects } from "../assert.ts";
import { ADDRESS_CHECK_INTERVAL_MS, ADDRESS_TENTATIVE_MAX_MS } from "../../src/base/limits.ts";
import { RunError } from "../../src/base/errors.ts";
import type { Log } from "../../src/base/log.ts";
import type { LinkAddress } from "../../src/host/netlink/rtnetlink.ts";
import { parseAddress } from "../../src/net/prefix.ts";
import { OwnAddress } from "../../src/node/own_address.ts";
import { FakeTime } from "../fakes/time.ts";

type Duplicate = LinkAddress["duplicate"];

/** An address on a host that a test gives it and takes it from. */
function setup(host = "fd00::1") {
  const address = parseAddress(host)!;
  const events: string[] = [];
  const heard = (event: string) => void events.push(event);
  const log = { info: heard, warn: heard } as Partial<Log> as Log;
  let found: readonly LinkAddress[] = [];
  const has = (duplicate?: Duplicate) =>
    void (found = [{ index: 1, address, length_bits: 64, duplicate }]);
  const lose = () => void (found = []);
  return {
    own: new OwnAddress({ addresses: () => found }, host, log),
    events,
    has,
    lose,
    time: new FakeTime(),
  };
}

Deno.test("own address: a usable one, and one of no interface, are not waited for", async () => {
  const { own, events, has, time } = setup();
  await own.untilUsable(time);
  has();
  await own.untilUsable(time);
  assertEquals(events, []);
});

Deno.test("own address: a tentative one is waited for, and that is told once", async () => {
  const { own, events, has, time } = setup();
  has("possible");
  let usable = false;
  const waiting = own.untilUsable(time).then(() => usable = true);
  await time.advance(10 * ADDRESS_CHECK_INTERVAL_MS);
  assertEquals([usable, events], [false, ["address"]]);
  has();
  await time.advance(ADDRESS_CHECK_INTERVAL_MS);
  await waiting;
  assertEquals([usable, events], [true, ["address"]]);
});

Deno.test("own address: the wait has a bound, and ends at once at a duplicate", async () => {
  const { own, has, time } = setup();
  has("found");
  await assertRejects(() => own.untilUsable(time), RunError, "another host on the link");
  has("possible");
  const waiting = assertRejects(() => own.untilUsable(time), RunError, "still looking");
  await time.advance(ADDRESS_TENTATIVE_MAX_MS + ADDRESS_CHECK_INTERVAL_MS);
  await waiting;
});

for (const host of ["192.168.0.8", "fd00::1"]) {
  Deno.test(`own address: ${host} taken away and given back is told, each once`, () => {
    const { own, events, has, lose } = setup(host);
    has();
    own.check();
    assertEquals(own.problem, undefined);
    lose();
    own.check();
    own.check();
    assertEquals(own.problem?.includes(host), true);
    has();
    own.check();
    assertEquals([own.problem, events], [undefined, ["address_gone", "address_back"]]);
  });
}

Deno.test("own address: one that no interface ever had is not missed", () => {
  const { own, events } = setup("0.0.0.0");
  own.check();
  own.check();
  assertEquals([own.problem, events], [undefined, []]);
});

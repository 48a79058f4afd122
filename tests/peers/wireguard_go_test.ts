/** Our handshake and data messages beside a real wireguard-go, in a namespace of their own. */

import { assert, assertEquals, assertGreater } from "../assert.ts";
import { formatKey } from "../../src/wire/keys.ts";
import { missing, WireGuardBed } from "./wireguard_go.ts";

const why = missing();
if (why !== undefined) console.log(`SKIPPED tests/peers/wireguard_go_test.ts: ${why}`);

const psk = () => formatKey(crypto.getRandomValues(new Uint8Array(32)));

for (const withPsk of [false, true]) {
  const options = () => withPsk ? { presharedKey: psk() } : {};
  const named = withPsk ? "with a preshared key" : "without one";

  Deno.test({
    name: `wireguard-go: we begin, ${named}: a handshake, a packet each way`,
    ignore: why !== undefined,
    fn: () =>
      WireGuardBed.with({ ...options(), libcrypto: withPsk }, async (bed) => {
        await bed.order({ order: "ping", count: 1, size: 56, interval_ms: 0 });
        const report = await bed.reports(8_000, ({ replies }) => replies === 1);
        assertEquals([report.sessions, report.initiationsSent, report.drops], [1, 1, {}]);
        // Sizes around padding and blocks, up to the MTU.
        await bed.order({ order: "ping", count: 1, size: 1392, interval_ms: 0 });
        for (const size of [0, 1, 3, 4, 5, 164, 484, 1391]) {
          await bed.order({ order: "ping", count: 1, size, interval_ms: 0 });
        }
        const more = await bed.reports(8_000, ({ replies }) => replies === 10);
        assertEquals([more.sessions, more.drops], [1, {}]);
        const dump = await bed.dump();
        assertGreater(dump.handshake_s, 0);
        assertGreater(dump.received_bytes, 148 + 3_000);
        assertEquals(dump.endpoint, "127.0.0.1:51821");
      }),
  });

  Deno.test({
    name: `wireguard-go: it begins, ${named}: a handshake, packets each way`,
    ignore: why !== undefined,
    fn: () =>
      WireGuardBed.with({ ...options(), libcrypto: !withPsk }, async (bed) => {
        const said = await bed.inside("ping", "-c", "5", "-i", "0.2", "-W", "5", "10.77.0.2");
        assert(said.includes(" 0% packet loss"), said);
        const report = await bed.report();
        assertEquals([report.sessions, report.initiationsSent, report.answered], [1, 0, 5]);
        assertEquals(report.drops, {});
        const large = await bed.inside(
          ...["ping", "-c", "3", "-i", "0.2", "-W", "5", "-M", "do", "-s", "1392", "10.77.0.2"],
        );
        assert(large.includes(" 0% packet loss"), large);
      }),
  });
}

Deno.test({
  name: "wireguard-go: another preshared key on our side: no packet passes, and it is counted",
  ignore: why !== undefined,
  fn: () =>
    WireGuardBed.with({ presharedKey: psk(), nodePresharedKey: psk() }, async (bed) => {
      await bed.order({ order: "ping", count: 1, size: 56, interval_ms: 0 });
      const report = await bed.reports(8_000, ({ drops }) => (drops["bad_handshake"] ?? 0) > 0);
      assertEquals([report.sessions, report.replies], [0, 0]);
    }),
});

Deno.test({
  name: "wireguard-go: rekeying every second under a steady ping loses nothing",
  ignore: why !== undefined,
  fn: () =>
    WireGuardBed.with(
      { times: { rekey_after_ms: 1_000, rekey_timeout_ms: 300, jitter_ms: 50 } },
      async (bed) => {
        await bed.order({ order: "ping", count: 300, size: 400, interval_ms: 20 });
        const report = await bed.reports(20_000, ({ requests }) => requests === 300);
        assertGreater(report.sessions, 4);
        const all = await bed.reports(3_000, ({ replies }) => replies === 300);
        assertEquals(all.drops, {});
      },
    ),
});

Deno.test({
  name: "wireguard-go: under a flood it asks for a cookie, and our next try has it",
  ignore: why !== undefined,
  fn: () =>
    WireGuardBed.with({ times: { rekey_timeout_ms: 1_000 } }, async (bed) => {
      await bed.order({ order: "flood", perTurn: 400, turns: 400 });
      // It takes some turns until it finds itself under load.
      await new Promise((resolve) => setTimeout(resolve, 500));
      await bed.order({ order: "ping", count: 1, size: 56, interval_ms: 0 });
      const report = await bed.reports(20_000, ({ replies }) => replies === 1);
      assertGreater(report.cookiesReceived, 0);
      assertEquals(report.sessions, 1);
    }),
});

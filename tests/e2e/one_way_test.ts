/** A firewall that drops one direction: told on both sides by all that tells, and gone with its fix. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { runProgram } from "../../src/base/run_program.ts";
import type { PeerStatus } from "../../src/status/model/types.ts";
import { formatMetrics } from "../../src/status/format/metrics.ts";
import { Bed, until } from "./harness.ts";

async function onNode(bed: Bed, i: number, ...words: string[]): Promise<string> {
  const { stdout } = await bed.onNode(i, ...bed.command, ...words);
  return stdout;
}

async function peerOf(bed: Bed, i: number): Promise<PeerStatus> {
  return JSON.parse(await onNode(bed, i, "status", "--json")).peers[0];
}

/** Resolves when node i finds its peer in this state. */
async function finds(bed: Bed, i: number, state: string, timeout_ms: number): Promise<PeerStatus> {
  let peer: PeerStatus | undefined;
  await until(`node ${i} finds its peer ${state}`, timeout_ms, async () => {
    peer = await peerOf(bed, i);
    return peer.state === state;
  });
  return peer!;
}

/** As iptables words, without its first: -I or -D. */
const rule = (udp: string) => ["INPUT", "-p", "udp", ...udp.split(" "), "-j", "DROP"];

for (const path of ["kernel", "lanes"] as const) {
  Deno.test(`one-way: node-b drops what node-a sends, ${path}`, async () => {
    await using bed = await Bed.create();
    const args = path === "lanes"
      ? ["-c", `${bed.dir}/tunnet.yaml`, "--engine", "auto,-kernel"]
      : undefined;
    const iptables = (...words: string[]) =>
      runProgram("ip", ["netns", "exec", bed.node(1).namespace, "iptables", ...words]);
    const [a] = await Promise.all([bed.start(0, args), bed.start(1, args)]);
    for (const i of [0, 1]) assert((await finds(bed, i, "up", 5_000)).rtt_ms !== null);

    await iptables("-I", ...rule("--dport 3009"));
    // Three intervals of hellos, and some time for the programs that ask.
    const [deaf, silent] = await Promise.all([
      finds(bed, 0, "one-way", 6_000),
      finds(bed, 1, "silent", 6_000),
    ]);
    assertEquals([deaf.rtt_ms, silent.rtt_ms], [null, null]);
    assertEquals(
      deaf.why,
      "node-b does not hear this node: its firewall, or UDP 3009 closed on the way?",
    );
    assert(deaf.transport !== "kernel", "the kernel path is for those that hear this node");
    await until("the log has it", 2_000, () => a.log.includes('"event":"peer_deaf"'));
    const metrics = formatMetrics(JSON.parse(await onNode(bed, 0, "status", "--json")));
    assertStringIncludes(metrics, 'tunnet_peer_up{peer="node-b"} 0');
    assertStringIncludes(metrics, 'tunnet_peer_state{peer="node-b",state="one-way"} 1');
    assert(!metrics.includes("tunnet_peer_rtt_seconds{"));
    const doctor = await bed.onNode(
      0,
      ...bed.command,
      "doctor",
      "--json",
      "-c",
      `${bed.dir}/tunnet.yaml`,
    );
    assertEquals(doctor.code, 1);
    assertMatch(doctor.stdout, /does not hear node-a.*drops UDP/);
    assertMatch(doctor.stdout, /iptables -I INPUT -p udp --dport 3009 -j ACCEPT/);

    // What doctor says is done on node-b.
    await iptables("-I", "INPUT", "-p", "udp", "--dport", "3009", "-j", "ACCEPT");
    for (const i of [0, 1]) assert((await finds(bed, i, "up", 5_000)).rtt_ms !== null);
    await until("the log has that too", 2_000, () => a.log.includes('"event":"peer_hears"'));
    await bed.reachable(0, 1, 5_000);
  });
}

Deno.test("one-way: node-b's firewall is closed from the start", async () => {
  await using bed = await Bed.create();
  const { namespace } = bed.node(1);
  await runProgram("ip", ["netns", "exec", namespace, "iptables", "-I", ...rule("--dport 3009")]);
  await Promise.all([bed.start(0), bed.start(1)]);
  await until("node-a says who does not hear it", 6_000, async () => {
    const { state, why, rtt_ms } = await peerOf(bed, 0);
    assert(state !== "up" && rtt_ms === null);
    return why?.startsWith("it says hello, but node-b does not hear this node: ") ?? false;
  });
});

/** What the kernel drops is counted, and a jam in one direction does not hold up the other. */

import { assert, assertEquals } from "../assert.ts";
import { runProgram } from "../../src/base/run_program.ts";
import { ip } from "./ip.ts";
import { Bed, stopped, until } from "./harness.ts";

/** A node whose packets all go by its lanes: only they are stopped or jammed. */
const lanes = (bed: Bed) => ["-c", `${bed.dir}/tunnet.yaml`, "--engine", "batch"];

/** Sends so many bytes of UDP from pod to pod, where nobody listens, as fast as it goes. */
async function flood(bed: Bed, from: number, to: number, size: number): Promise<void> {
  const target = `UDP4-SENDTO:${bed.podAddress(to)}:9999`;
  const send = `head -c ${size} /dev/zero | socat -b 1400 -u - ${target}`;
  const { code, stderr } = await bed.inPod(from, "sh", "-c", send);
  assertEquals(code, 0, stderr);
}

Deno.test("drops in the kernel: of the socket's buffer and of the device's queue", async (t) => {
  await using bed = await Bed.create();
  const [a, b] = await Promise.all([bed.start(0, lanes(bed)), bed.start(1, lanes(bed))]);
  await bed.ping(0, 1);
  await t.step("a receiver that is stopped overflows its socket", async () => {
    await stopped([b], () => flood(bed, 0, 1, 100_000_000));
    const overflown = async () => (await bed.counters(b)).inbound["socket_overflow"]! > 0;
    await until("socket_overflow is counted", 5_000, overflown);
    await bed.reachable(0, 1, 5_000);
  });
  await t.step("a sender that is stopped overflows its device", async () => {
    const { outbound } = await bed.counters(a);
    assertEquals((await bed.counters(b)).outbound["device_overflow"], 0);
    await stopped([a], () => flood(bed, 0, 1, 10_000_000));
    const dropped = async () => {
      const path = "/sys/class/net/tunnet0/statistics/tx_dropped";
      return Number((await bed.onNode(0, "cat", path)).stdout);
    };
    const counted = async () =>
      (await bed.counters(a)).outbound["device_overflow"] === await dropped();
    await until("device_overflow is what the kernel says", 5_000, counted);
    assert(await dropped() > outbound["device_overflow"]!);
    await bed.reachable(0, 1, 5_000);
  });
  await t.step("drops that others have seen are not ours", async () => {
    await b.stop();
    await bed.onNode(1, ..."ip tuntap add tunnet0 mode tun".split(" "));
    await bed.onNode(1, ..."ip link set tunnet0 up".split(" "));
    await bed.onNode(1, ..."ip route add 172.1.0.0/16 dev tunnet0".split(" "));
    // Nobody reads from it.
    await flood(bed, 1, 0, 1_000_000);
    await bed.onNode(1, ..."ip route del 172.1.0.0/16 dev tunnet0".split(" "));
    const again = await bed.start(1, lanes(bed));
    await bed.reachable(0, 1, 5_000);
    assertEquals((await bed.counters(again)).outbound["device_overflow"], 0);
  });
});

Deno.test("a jammed egress does not hold up ingress", async () => {
  await using bed = await Bed.create();
  const [a] = await Promise.all([bed.start(0, lanes(bed)), bed.start(1, lanes(bed))]);
  await bed.ping(0, 1);
  // 1 Mbit/s with a queue longer than the socket's send buffer: the socket is full for minutes.
  const tbf = "qdisc add dev eth0 root tbf rate 1mbit burst 32k limit 200mb";
  const { namespace } = bed.node(0);
  const { code, stderr } = await runProgram("tc", ["-n", namespace, ...tbf.split(" ")]);
  assertEquals(code, 0, stderr);
  const jam = bed.spawn(bed.node(0).podNamespace, [
    ...["sh", "-c"],
    `head -c 2000000000 /dev/zero | socat -b 1400 -u - UDP4-SENDTO:${bed.podAddress(1)}:9999`,
  ]);
  const full = async () => (await bed.counters(a)).outbound["send_queue_full"]! > 0;
  await until("the send queue is full", 30_000, full);

  const lines = 500;
  const receiver = bed.spawn(bed.node(0).podNamespace, [
    ...["sh", "-c"],
    "timeout 60 socat -u UDP4-RECV:9000 STDOUT | sed /end/q | grep -v end | sort -n | uniq | wc -l",
  ]);
  const listening = async () => (await bed.inPod(0, "ss", "-Hlun")).stdout.includes(":9000");
  await until("the receiver listens", 5_000, listening);
  // Slowly enough for any receive buffer: what is lost, the jam has lost.
  // The first "end" ends the count, the others the receiver.
  const to = `/dev/udp/${bed.podAddress(0)}/9000`;
  const send = `for i in $(seq ${lines}); do echo $i > ${to}; [ $((i % 10)) = 0 ] && sleep 0.01; ` +
    `done; for i in 1 2 3; do echo end > ${to}; sleep 0.2; done; true`;
  const start_ms = performance.now();
  assertEquals((await bed.inPod(1, "bash", "-c", send)).code, 0);
  const output = await receiver.output();
  const took_ms = Math.round(performance.now() - start_ms);
  console.log(`${lines} datagrams in against a jam: ${took_ms} ms`);
  assertEquals(new TextDecoder().decode(output.stdout).trim(), `${lines}`);
  jam.kill("SIGKILL");
  await jam.status;
  await ip(["netns", "exec", namespace, "tc", "qdisc", "del", "dev", "eth0", "root"]);
  await bed.reachable(0, 1, 10_000);
});

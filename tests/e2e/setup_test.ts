import { assertEquals, assertMatch } from "../assert.ts";
import { runProgram } from "../../src/base/run_program.ts";
import { ip } from "./ip.ts";
import { Bed, type Ran } from "./harness.ts";

/** Runs `tunnet setup ...` on node i of a bed; the script that it prints. */
async function script(bed: Bed, i: number, ...words: string[]): Promise<string> {
  const args = ["setup", "-c", `${bed.dir}/tunnet.yaml`, "--node", bed.node(i).name, ...words];
  const { code, stdout, stderr } = await bed.onNode(i, ...bed.command, ...args);
  // The lab's network is a public one, which is warned of.
  assertEquals([code, stderr.replaceAll(/^tunnet: warn: .*: network: .*\n/gm, "")], [0, ""]);
  return stdout;
}

/** What the node has, and the firewall rules of both IP versions, without counters and times. */
async function state(bed: Bed, i: number): Promise<string> {
  const saves = await Promise.all(
    ["iptables-save", "ip6tables-save"].map((tool) => bed.onNode(i, tool)),
  );
  const rules = saves.map(({ stdout }) => stdout).join("").match(/^-A .*$/gm) ?? [];
  return await bed.state(i) + rules.join("\n");
}

/** Runs shell commands on node 0, where only it sees network namespaces by name. */
function inPrivate(bed: Bed, words: string): Promise<Ran> {
  const pods = `${bed.dir}/netns`;
  Deno.mkdirSync(pods, { recursive: true });
  return bed.onNode(
    0,
    "unshare",
    "--mount",
    "sh",
    "-c",
    `mount --bind ${pods} /run/netns; ${words}`,
  );
}

Deno.test("setup --netns: run twice it is the same as once, its pod is reached, undo removes it", async () => {
  await using bed = await Bed.create({ ipv6: true });
  const node = bed.node(0);
  // The script makes bridge and pod itself; its namespace must not be the host's to see.
  await ip(["-n", node.namespace, "link", "del", "br0"]);
  // A namespace's file must stay mounted between the runs: all of them happen in one mount namespace.
  const install = await script(bed, 0, "--netns");
  const undo = await script(bed, 0, "--netns", "--undo");
  Deno.writeTextFileSync(`${bed.dir}/install.sh`, install);
  Deno.writeTextFileSync(`${bed.dir}/undo.sh`, undo);
  const show = "ip -o link | sed 's/@.*//; s/ state [A-Z]*//'; " +
    "ip -o addr | sed 's/ *valid_lft.*//; s/ tentative//'; ip route; " +
    "iptables-save | grep ^-A; ip6tables-save | grep ^-A; true";
  await bed.start(0);
  await bed.start(1);
  const before = await state(bed, 0);
  const { stdout, stderr, code } = await inPrivate(
    bed,
    `set -e
    sh ${bed.dir}/install.sh
    { ${show}; } >${bed.dir}/once
    sh ${bed.dir}/install.sh
    { ${show}; } >${bed.dir}/twice
    ip netns exec tunnet-pod ping -n -c 3 -i 0.05 -W 2 ${bed.podAddress(1)}
    ip netns exec tunnet-pod ping -n -c 3 -i 0.05 -W 2 ${bed.podAddress(1, 6)}
    sh ${bed.dir}/undo.sh
    sh ${bed.dir}/undo.sh`,
  );
  assertEquals([code, stderr], [0, ""], stdout);
  assertEquals(stdout.match(/ 0% packet loss/g)?.length, 2, stdout);
  const once = Deno.readTextFileSync(`${bed.dir}/once`);
  assertEquals(Deno.readTextFileSync(`${bed.dir}/twice`), once);
  assertMatch(once, /tunnet-br/);
  assertEquals(once.match(/^-A FORWARD -i tunnet0 -o tunnet-br -j ACCEPT$/gm)?.length, 2);
  assertEquals(await state(bed, 0), before);
});

Deno.test("setup --netns: what others have made of these names stays, and a run cut short does no harm", async () => {
  await using bed = await Bed.create();
  await ip(["-n", bed.node(0).namespace, "link", "del", "br0"]);
  Deno.writeTextFileSync(`${bed.dir}/install.sh`, await script(bed, 0, "--netns"));
  Deno.writeTextFileSync(`${bed.dir}/undo.sh`, await script(bed, 0, "--netns", "--undo"));
  const before = await state(bed, 0);
  const theirs =
    "ip link show dev tunnet-br >/dev/null; ip -n tunnet-pod link show dev lo >/dev/null";
  const others = await inPrivate(
    bed,
    `set -e
    ip link add tunnet-br type bridge
    ip netns add tunnet-pod
    sh ${bed.dir}/undo.sh
    ${theirs}
    ! sh ${bed.dir}/install.sh
    ip link del tunnet-br
    ! sh ${bed.dir}/install.sh
    sh ${bed.dir}/undo.sh
    ip link add tunnet-br type bridge
    ${theirs}
    ip link del tunnet-br
    ip netns del tunnet-pod`,
  );
  assertEquals(others.code, 0, others.stderr);
  const left = "was not made by this script, and is left alone";
  const made = "that this script has not made";
  assertEquals(others.stderr.match(/^setup: .*?(?=; try|$)/gm), [
    `setup: warning: the namespace tunnet-pod ${left}`,
    `setup: warning: the device tunnet-br ${left}`,
    `setup: error: there is a device tunnet-br ${made}`,
    `setup: error: there is a namespace tunnet-pod ${made}`,
    `setup: warning: the namespace tunnet-pod ${left}`,
  ]);
  assertEquals(await state(bed, 0), before);
  const cut = await inPrivate(
    bed,
    `
    for time in 0.005 0.01 0.015 0.02 0.025 0.03 0.04 0.05 0.06; do
      timeout -s KILL $time sh ${bed.dir}/install.sh
    done
    sh ${bed.dir}/install.sh && ip netns exec tunnet-pod ping -n -c 1 -W 2 172.1.0.1 || exit 1
    for time in 0.005 0.01 0.015 0.02 0.03 0.04; do
      timeout -s KILL $time sh ${bed.dir}/undo.sh
    done
    sh ${bed.dir}/undo.sh && [ ! -e /run/netns/tunnet-pod ]`,
  );
  assertEquals(cut.code, 0, cut.stderr);
  assertEquals(await state(bed, 0), before);
});

Deno.test("setup --netns in mode tap: a bridge and a station, and undo leaves a user's bridge", async () => {
  await using bed = await Bed.create({ mode: "tap" });
  const pods = `${bed.dir}/netns`;
  Deno.mkdirSync(pods);
  await ip(["-n", bed.node(0).namespace, "link", "del", "br0"]);
  Deno.writeTextFileSync(`${bed.dir}/install.sh`, await script(bed, 0, "--netns"));
  Deno.writeTextFileSync(`${bed.dir}/undo.sh`, await script(bed, 0, "--netns", "--undo"));
  const before = await state(bed, 0);
  // The bed's other pod has the address that this one's gets: it takes one of its own node's part.
  await ip(["-n", bed.node(1).podNamespace, "address", "flush", "dev", "eth0"]);
  await ip(["-n", bed.node(1).podNamespace, "address", "add", "10.1.0.130/24", "dev", "eth0"]);
  await bed.start(1);
  const tunnet = [...bed.command, ...bed.peerWords, "-c", `${bed.dir}/tunnet.yaml`]
    .map((word) => `'${word}'`).join(" ");
  const { code, stdout, stderr } = await bed.onNode(
    0,
    ...["timeout", "-k", "1", "60", "unshare", "--mount", "sh", "-c"],
    `set -e; mount --bind ${pods} /run/netns
    sh ${bed.dir}/install.sh
    sh ${bed.dir}/install.sh
    ${tunnet} 2>/dev/null &
    until ip netns exec tunnet-pod ping -n -c 1 -W 1 10.1.0.130 >/dev/null; do kill -0 $!; done
    ip netns exec tunnet-pod ping -n -c 3 -i 0.05 -W 2 10.1.0.130
    kill $!; wait $!
    sh ${bed.dir}/undo.sh
    ip link show br0 >/dev/null 2>&1 && exit 9
    ip link add br0 type bridge
    sh ${bed.dir}/install.sh
    sh ${bed.dir}/undo.sh
    ip link del br0`,
  );
  assertEquals([code, stderr], [0, ""], stdout);
  assertMatch(stdout, / 0% packet loss/);
  assertEquals(await state(bed, 0), before);
});

Deno.test("setup: an ordinary user's run of a script says what it needs", async () => {
  await using bed = await Bed.create();
  for (const kind of ["--netns", "--docker", "--systemd"]) {
    const text = await script(bed, 0, kind);
    const { code, stderr } = await runProgram("setpriv", [
      ...["--reuid", "65534", "--regid", "65534", "--clear-groups"],
      ...["sh", "-c", text],
    ]);
    assertEquals([code, stderr], [1, "setup: error: this needs root; try: sudo sh\n"], kind);
  }
});

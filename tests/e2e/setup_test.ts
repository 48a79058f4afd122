import { assertEquals, assertMatch } from "../assert.ts";
import { runProgram } from "../../src/base/run_program.ts";
import { ip } from "./ip.ts";
import { Bed } from "./harness.ts";

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

Deno.test("setup --netns: run twice it is the same as once, its pod is reached, undo removes it", async () => {
  await using bed = await Bed.create({ ipv6: true });
  const node = bed.node(0);
  // The script makes bridge and pod itself; its namespace must not be the host's to see.
  await ip(["-n", node.namespace, "link", "del", "br0"]);
  const pods = `${bed.dir}/netns`;
  Deno.mkdirSync(pods);
  const inPrivate = (words: string) =>
    bed.onNode(0, "unshare", "--mount", "sh", "-c", `mount --bind ${pods} /run/netns; ${words}`);
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
  const { stdout, stderr, code } = await inPrivate(`set -e
    sh ${bed.dir}/install.sh
    { ${show}; } >${bed.dir}/once
    sh ${bed.dir}/install.sh
    { ${show}; } >${bed.dir}/twice
    ip netns exec tunnet-pod ping -n -c 3 -i 0.05 -W 2 ${bed.podAddress(1)}
    ip netns exec tunnet-pod ping -n -c 3 -i 0.05 -W 2 ${bed.podAddress(1, 6)}
    sh ${bed.dir}/undo.sh
    sh ${bed.dir}/undo.sh`);
  assertEquals([code, stderr], [0, ""], stdout);
  assertEquals(stdout.match(/ 0% packet loss/g)?.length, 2, stdout);
  const once = Deno.readTextFileSync(`${bed.dir}/once`);
  assertEquals(Deno.readTextFileSync(`${bed.dir}/twice`), once);
  assertMatch(once, /tunnet-br/);
  assertEquals(once.match(/^-A FORWARD -i tunnet0 -o tunnet-br -j ACCEPT$/gm)?.length, 2);
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

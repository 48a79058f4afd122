/** README's commands: those of its two hosts are run as they are, and each other has its place. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { startEtcd } from "./fleet.ts";
import { Bed, repoPath } from "./harness.ts";

const README = Deno.readTextFileSync(repoPath("README.md"));
const LINES_MAX = 200;

/** Commands as root types them. */
const asRoot = (commands: string) => commands.replaceAll(/^sudo /gm, "");

interface Block {
  readonly section: string;
  readonly language: string;
  readonly text: string;
}

/** The fenced blocks of a text, without the indentation of lists. */
function blocksOf(text: string): readonly Block[] {
  return [...text.matchAll(/^( *)```(\w+)\n([^]*?)^\1```$/gm)].map((match) => ({
    section: [...text.slice(0, match.index).matchAll(/^## (.*)$/gm)].at(-1)![1]!,
    language: match[2]!,
    text: match[3]!.replaceAll(new RegExp(`^${match[1]}`, "gm"), ""),
  }));
}

const BLOCKS = blocksOf(README);
const blocks = (section: string, language: string) =>
  BLOCKS.filter((block) => block.section === section && block.language === language)
    .map(({ text }) => text);
const COMMANDS = BLOCKS.filter(({ language }) => language === "sh")
  .flatMap(({ section, text }) =>
    text.trimEnd().split("\n").map((command) => ({ section, command }))
  );

/** Run below, as README has it. */
const WALK = "tests/e2e/readme_test.ts";
const SERVICE = "tests/e2e/service_test.ts";

/** Where each command is run: by CI, by a test in this or another shape, or why it is not. */
const COVERED: Readonly<Record<string, string>> = {
  "npx -y deno@2.9.6 task lab": ".ci/run",
  "npx -y deno@2.9.6 task test": ".ci/run",
  "npx -y deno@2.9.6 task build": ".ci/run",
  "sudo ./tunnet key": WALK,
  "dist/tunnet check": WALK,
  "./tunnet setup --netns > prepare.sh": WALK,
  "sudo sh prepare.sh": WALK,
  "sudo ./tunnet --peer": WALK,
  "sudo ip netns exec tunnet-pod ping -c 3 10.244.2.2": WALK,
  "./tunnet etcd init --etcd http://192.168.0.8:2379 --network 10.244.0.0/16": WALK,
  "sudo ./tunnet --peer --etcd http://192.168.0.8:2379": WALK,
  "./tunnet etcd ls --etcd http://192.168.0.8:2379": WALK,
  "./tunnet setup --docker > prepare.sh": "tests/e2e/docker_test.ts",
  "docker run --rm -d --network tunnet --ip 10.244.2.9 busybox sleep 3600":
    "not run: it takes an image from a registry; tests/e2e/docker_test.ts has its own",
  "docker run --rm --network tunnet busybox ping -c 3 10.244.2.9":
    "not run: it takes an image from a registry; tests/e2e/docker_test.ts has its own",
  "sudo ./tunnet status": "tests/e2e/status_test.ts",
  "sudo ./tunnet status --watch": "tests/e2e/status_test.ts",
  "sudo ./tunnet status --http 9309": "tests/e2e/lab_test.ts",
  "sudo ./tunnet dump tun0 --address 192.168.1.10/24": "tests/e2e/dump_test.ts",
  "sudo ./tunnet trace dropped": "tests/e2e/trace_test.ts",
  "sudo ./tunnet pcap -w node.pcapng": "tests/e2e/trace_test.ts",
  "sudo install -m 0755 tunnet /usr/local/bin/tunnet": "not run: it installs on the host itself",
  "sudo install -D -m 0644 tunnet.yaml /etc/tunnet/tunnet.yaml":
    "not run: it installs on the host itself",
  "sudo install -D -m 0755 prepare.sh /etc/tunnet/prepare.sh":
    "not run: it installs on the host itself",
  "tunnet setup --systemd > service.sh": SERVICE,
  "sudo sh service.sh": `not run: it needs systemd as process 1; ${SERVICE} reads the unit`,
};

Deno.test("README: short, and what is not encrypted in its first lines", () => {
  const lines = README.split("\n");
  assert(lines.length - 1 <= LINES_MAX, `${lines.length - 1} lines`);
  const first = lines.slice(0, 10).join(" ");
  assertMatch(first, /Without keys nothing is encrypted/);
  assertMatch(first, /UDP port 3009/);
});

Deno.test("README: each command is run somewhere, or says why not", () => {
  assert(COMMANDS.length > 20, "the blocks are found");
  const ci = Deno.readTextFileSync(repoPath(".ci/run"));
  for (const { section, command } of COMMANDS) {
    const where = COVERED[command];
    assert(where !== undefined, `${section}: ${command}: neither run nor excused`);
    if (where.startsWith("not run: ")) continue;
    if (where === ".ci/run") assertStringIncludes(ci, command.replace("npx -y deno@2.9.6", "deno"));
    else assert(Deno.statSync(repoPath(where)).isFile, where);
  }
  const all = COMMANDS.map(({ command }) => command);
  assertEquals(Object.keys(COVERED).filter((command) => !all.includes(command)), []);
});

Deno.test("README: two hosts, step by step, end with a ping that answers", async () => {
  await using bed = await Bed.create({ bare: true });
  const [yaml] = blocks("Two hosts", "yaml");
  const [, key, check, prepare, ping] = blocks("Two hosts", "sh");
  /** Makes the folder of a host, where tunnet finds the config and the key of this host. */
  const makeHost = async (i: number) => {
    const dir = `${bed.dir}/host${i}`;
    for (const made of [dir, `${dir}/netns`, `${dir}/dist`]) Deno.mkdirSync(made);
    const quoted = bed.command.map((word) => `'${word}'`).join(" ");
    const keyed = `--private-key-file '${dir}/private.key'`;
    Deno.writeTextFileSync(
      `${dir}/tunnet`,
      `#!/bin/sh
case $1 in
  key) exec ${quoted} "$@" ${keyed} ;;
  --peer) exec ${quoted} "$@" ${keyed} -c '${dir}/tunnet.yaml' ;;
  *) exec ${quoted} "$@" -c '${dir}/tunnet.yaml' --node 'node-${"ab"[i]}' ;;
esac
`,
    );
    Deno.chmodSync(`${dir}/tunnet`, 0o755);
    Deno.symlinkSync(`${dir}/tunnet`, `${dir}/dist/tunnet`);
    const { stdout } = await bed.onNode(i, "sh", "-c", `cd ${dir}; ${asRoot(key!)}`);
    return stdout.trim();
  };
  const lines = [await makeHost(0), await makeHost(1)];
  let next = 0;
  const config = yaml!.replaceAll(/public_key: .*/g, () => lines[next++]!);
  const script = (i: number, after: string) => {
    const dir = `${bed.dir}/host${i}`;
    Deno.writeTextFileSync(`${dir}/tunnet.yaml`, config);
    // Each host has its own pods, as hosts do.
    return `set -e; mount --bind ${dir}/netns /run/netns
mkdir -p /run/tunnet; mount -t tmpfs tmpfs /run/tunnet; cd ${dir}
${check}
${asRoot(prepare!).trimEnd()} &
${after}`;
  };
  const run = (i: number, after: string) =>
    bed.onNode(i, "timeout", "-k", "1", "60", "unshare", "--mount", "sh", "-c", script(i, after));
  // The other host may come later: one ping after the other, until one is answered.
  const up =
    "until ip netns exec tunnet-pod ping -c 1 -W 1 10.244.2.2 >/dev/null; do kill -0 $!; done";
  const done = `${bed.dir}/done`;
  const [a, b] = await Promise.all([
    run(0, `${up}\n${asRoot(ping!)}touch ${done}; kill $!; wait $!`),
    run(1, `until [ -e ${done} ]; do kill -0 $!; sleep 0.1; done; kill $!; wait $!`),
  ]);
  assertMatch(a.stdout, /^3 packets transmitted, 3 received, 0% packet loss/m, a.stderr);
  assertMatch(a.stdout, /tunnet\.yaml: good: 2 nodes, 2 subnets/);
  assertEquals([a.code, b.code], [0, 0], a.stderr + b.stderr);
});

Deno.test("README: a fleet from etcd, whose nodes reach each other", async () => {
  await using bed = await Bed.create({ bare: true });
  await using _etcd = await startEtcd(bed, 1);
  const [init, peer, list] = asRoot(blocks("A fleet, from etcd", "sh")[0]!).trimEnd().split("\n");
  const quoted = bed.command.map((word) => `'${word}'`).join(" ");
  const run = (i: number, script: string) => {
    const dir = `${bed.dir}/host${i}`;
    Deno.mkdirSync(dir);
    const own = `--state-dir '${dir}/state' --subnet-file '${dir}/subnet.env'`;
    const tunnet = `#!/bin/sh
case $1 in
  --peer) exec ${quoted} "$@" ${own} ;;
  *) exec ${quoted} "$@" ;;
esac
`;
    Deno.writeTextFileSync(`${dir}/tunnet`, tunnet, { mode: 0o755 });
    return bed.onNode(i, ...[
      "timeout",
      "-k",
      "1",
      "60",
      "sh",
      "-c",
      `set -e; cd ${dir}\n${script}`,
    ]);
  };
  const done = `${bed.dir}/done`;
  // The first address of a node's subnet is its own, inside the tunnel.
  const others = `${list} | grep '^10\\.' | grep -v ' ${bed.node(1).address} ' | cut -d/ -f1`;
  const [a, b] = await Promise.all([
    run(
      0,
      `${init}\n${peer} &\nuntil [ -e ${done} ]; do kill -0 $!; sleep 0.1; done; kill $!; wait $!`,
    ),
    run(
      1,
      `until ${list} >/dev/null 2>&1; do sleep 0.1; done
${peer} &
until [ "$(${list} | grep -c '^10\\.')" = 2 ] && ping -c 1 -W 1 "$(${others})"; do kill -0 $!; done
${list}; touch ${done}; kill $!; wait $!`,
    ),
  ]);
  assertEquals([a.code, b.code], [0, 0], a.stderr + b.stderr);
  assertMatch(b.stdout, / 0% packet loss/);
  assertMatch(b.stdout, new RegExp(`^10\\.244\\.\\d+\\.0/24 +${bed.node(0).address} +udp`, "m"));
});

/** What a user of the host without rights may do to a node: over HTTP, and by files. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import type { LabProcess } from "../../src/tools/lab/process.ts";
import { askStatus } from "../../src/status/client.ts";
import { Bed, until } from "./harness.ts";

const OTHER_UID = 65_534;
const FILES_MAX = 1_024;
const PORT = 9309;

/** Connects and sends half a request, again and again; prints a line when all are under way. */
const FLOOD = (host: string, count: number) => `
const half = new TextEncoder().encode("GET /status.json HTTP/1.1\\r\\nHost: localhost\\r\\nX: ");
const open = [];
let sent = 0;
for (let i = 0; i < ${count}; i++) {
  try {
    const connection = await Deno.connect({ hostname: "${host}", port: ${PORT} });
    open.push(connection);
    await connection.write(half);
    sent++;
  } catch {
    // It was closed in the meantime.
  }
}
console.log(sent);
await new Promise((resolve) => setTimeout(resolve, 60_000));
`;

const openFiles = ({ pid }: LabProcess) => [...Deno.readDirSync(`/proc/${pid}/fd`)].length;

async function flood(host: string, http: string): Promise<void> {
  await using bed = await Bed.create({ nodes: 2, bare: true });
  const socket = `${bed.dir}/a.sock`;
  const args = ["-c", `${bed.dir}/tunnet.yaml`, "--status-socket", socket, "--http", http];
  const node = await bed.start(0, args);
  await bed.limitFiles(0, node, FILES_MAX, FILES_MAX);
  const ready = node.log.split("\n").find((line) => line.includes('"event":"ready"'))!;
  assertMatch(JSON.parse(ready).message, new RegExp(`; its page: http://\\S+:${PORT}/$`));
  const before = openFiles(node);
  const child = bed.spawn(bed.node(0).namespace, [Deno.execPath(), "eval", FLOOD(host, 1_000)]);
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  assert(Number(new TextDecoder().decode(value)) > 500);
  // What was turned away is closed a moment later.
  await until("its files are bounded", 2_000, () => openFiles(node) <= before + 64 + 8);
  assertEquals((await askStatus(socket)).node.problems, []);
  const { stdout } = await bed.onNode(
    0,
    ...["curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", `http://${http}/healthz`],
  );
  assertEquals(stdout, "200", "who asks is answered in the midst of it");
  // Half a request has its time, and no more.
  await until("all are cut off", 15_000, () => openFiles(node) <= before + 4);
  assert(!node.log.includes('"level":"error"'), node.log);
}

Deno.test("local user: a thousand connections to --http over IPv4", () =>
  flood("127.0.0.1", `127.0.0.1:${PORT}`));

Deno.test("local user: a thousand connections to --http over IPv6", () =>
  flood("::1", `[::1]:${PORT}`));

Deno.test("local user: a config that becomes a pipe stops nothing, and the node goes on", async () => {
  await using bed = await Bed.create({ nodes: 2, bare: true });
  const config = `${bed.dir}/tunnet.yaml`;
  const socket = `${bed.dir}/a.sock`;
  const node = await bed.start(0, ["-c", config, "--status-socket", socket]);
  Deno.renameSync(config, `${config}.kept`);
  await bed.onNode(0, "mkfifo", config);
  Deno.kill(node.pid, "SIGHUP");
  await until("the reload is refused", 5_000, () => node.log.includes("nothing has changed"));
  assertMatch(node.log, /tunnet\.yaml: cannot be read \(a pipe, not a file\)/);
  assertEquals((await askStatus(socket)).node.problems, []);
  Deno.renameSync(`${config}.kept`, config);
  Deno.kill(node.pid, "SIGHUP");
  await until("the file is read again", 5_000, () => node.log.includes('"event":"reloaded"'));
});

Deno.test("local user: root does not run by another user's config, and names its own", async () => {
  await using bed = await Bed.create({ nodes: 2, bare: true });
  const theirs = `${bed.dir}/theirs`;
  const path = `${theirs}/tunnet.yaml`;
  Deno.mkdirSync(theirs);
  Deno.copyFileSync(`${bed.dir}/tunnet.yaml`, path);
  Deno.chownSync(theirs, OTHER_UID, OTHER_UID);
  const refused = bed.launch(0, [], [], [`TUNNET_CONFIG=${path}`]);
  await until("it is refused", 10_000, () => refused.log.includes("tunnet: error:"));
  assertEquals(
    refused.log.split("; try: ")[0],
    `tunnet: error: ${path}: not used (${theirs} belongs to user ${OTHER_UID}, ` +
      "who would decide what root does)",
  );
  // Who has become root by sudo decides anyway.
  const bySudo = [`TUNNET_CONFIG=${path}`, `SUDO_UID=${OTHER_UID}`, `SUDO_GID=${OTHER_UID}`];
  const node = bed.launch(0, [], [], bySudo);
  await node.ready();
  const [first] = node.log.split("\n");
  assertEquals(JSON.parse(first!).message, `config: ${Deno.realPathSync(path)}`);
});

Deno.test("local user: a node whose log nobody reads any more goes on", async () => {
  await using bed = await Bed.create({ nodes: 2, bare: true });
  const socket = `${bed.dir}/a.sock`;
  const words = ["--peer", "--json", "-c", `${bed.dir}/tunnet.yaml`, "--status-socket", socket];
  // The reader ends with the first line.
  const cut = ["bash", "-c", 'exec "$@" 2> >(head -n 1 >&2)', "bash"];
  const node = bed.launchWords(0, [...cut, ...bed.command, ...words]);
  const answers = async () => {
    try {
      return (await askStatus(socket)).node.problems.length === 0;
    } catch {
      return false;
    }
  };
  await until("it is up", 15_000, answers);
  for (let i = 0; i < 3; i++) {
    Deno.kill(node.pid, "SIGUSR2");
    assert(await answers(), "it lives");
  }
  assertEquals(node.log.split("\n").length, 2, "one line was read");
});

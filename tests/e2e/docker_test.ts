/** Docker hosts: a real Engine on each node, with its firewall on, as users have it. */

import { parseConfig } from "../../src/config/parse.ts";
import { RunError } from "../../src/base/errors.ts";
import { checkDocker, DockerPods, POD } from "../../src/tools/lab/docker.ts";
import { runProgram } from "../../src/base/run_program.ts";
import { namespacePrefix } from "../../src/tools/lab/topology.ts";
import { dockerScript } from "../../src/tools/setup/docker.ts";
import { SERVICE, unitFile } from "../../src/tools/setup/systemd.ts";
import { assert, assertEquals, assertMatch, assertNotMatch } from "../assert.ts";
import { Bed, tunnetCommand, until } from "./harness.ts";
import { namespacesOf } from "./ip.ts";

/** What goes through the tunnel in the TCP test. */
const BYTES = 50_000_000;

/** Why there is no Docker here; undefined where there is. `.ci/run` installs it. */
async function whatIsMissing(): Promise<string | undefined> {
  try {
    await checkDocker();
    return undefined;
  } catch (error) {
    if (!(error instanceof RunError)) throw error;
    return error.message;
  }
}

const missing = await whatIsMissing();
if (missing !== undefined) console.warn(`SKIPPED: tests with Docker: ${missing}`);

/**
 * Whether `docker exec` starts programs of the image. It enters a container's mount namespace, whose
 * root is that of the whole system: from a chroot, that is not the container's.
 */
async function canExec(): Promise<boolean> {
  const stat = ["stat", "-c", "%d:%i", "/"];
  const [own, entered] = await Promise.all(
    [[], ["nsenter", "--mount=/proc/self/ns/mnt"]].map((words) =>
      runProgram("env", [...words, ...stat])
    ),
  );
  return own!.stdout === entered!.stdout;
}

const EXEC = await canExec();
if (!EXEC) console.warn("SKIPPED: tests with docker exec: this is a chroot, where it leads out");

/** A test that is ignored, loudly, where there is no Docker. */
function dockerTest(
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
  ignore = false,
): void {
  Deno.test({ name, ignore: ignore || missing !== undefined, fn });
}

/** The rules of a node's firewall, without counters. */
async function rules(bed: Bed, i: number): Promise<string> {
  const { stdout } = await bed.onNode(i, "iptables-save");
  return (stdout.match(/^[:*-].*$/gm) ?? []).join("\n").replaceAll(/ \[\d+:\d+\]/g, "");
}

/** The other end of an established connection to a port, as a container sees it. */
async function sourceSeen(pods: DockerPods, bed: Bed, i: number, port: number): Promise<string> {
  const { stdout } = await pods.engine(bed.node(i)).docker("exec", POD, "netstat", "-tn");
  return new RegExp(`:${port} +(\\S+):\\d+ +ESTABLISHED`).exec(stdout)?.[1]?.replace(
    "::ffff:",
    "",
  ) ?? "";
}

interface Found {
  readonly id: string;
  readonly status: string;
  readonly fix: string;
}

/** The checks of the doctor on a node that are not well. */
async function warned(bed: Bed, i: number): Promise<Found[]> {
  const words = ["doctor", "-c", `${bed.dir}/tunnet.yaml`, "--node", bed.node(i).name, "--json"];
  const { stdout } = await bed.onNode(i, ...bed.command, ...words);
  const checks: Found[] = JSON.parse(stdout).checks;
  return checks.filter(({ status }) => status !== "ok");
}

/** Those that fail. */
async function failing(bed: Bed, i: number): Promise<Found[]> {
  return (await warned(bed, i)).filter(({ status }) => status === "fail");
}

dockerTest("docker: two Engines, joined by tunnet and the scripts of setup", async (t) => {
  await using bed = await Bed.create({ bare: true });
  const file = `${bed.dir}/tunnet.yaml`;
  const loaded = { ...parseConfig(bed.yaml, file), file };
  const pods = new DockerPods(bed.plan, loaded, bed.dir);
  const [a, b] = [bed.node(0), bed.node(1)];
  const scriptOf = (i: number, undo = false) =>
    dockerScript({ loaded, self: loaded.config.nodes[i]!, undo });
  const ping = async (count = 5) => {
    const words = ["ping", "-c", `${count}`, "-i", "0.2", "-W", "3", bed.podAddress(1)];
    return (await pods.engine(a).docker("exec", POD, ...words)).stdout;
  };
  try {
    await pods.up();
    const running = [await bed.start(0), await bed.start(1)];

    await t.step("what ran on the nodes is what tunnet setup --docker prints", async () => {
      for (const i of [0, 1]) {
        const words = ["setup", "--docker", "-c", file, "--node", bed.node(i).name];
        const { stdout } = await bed.onNode(i, ...bed.command, ...words);
        assertEquals(stdout, scriptOf(i));
      }
    });
    await t.step("Docker's own firewall is on", async () => {
      for (const i of [0, 1]) {
        assertMatch(await rules(bed, i), /^:FORWARD DROP$/m);
        assertMatch(await rules(bed, i), /^-A FORWARD -j DOCKER-USER$/m);
      }
    });
    await t.step("pings pass two routers and both nodes", async () => {
      const before = await Promise.all(running.map((node) => bed.counters(node)));
      const text = await ping();
      assertMatch(text, /5 packets transmitted, 5 packets received/);
      assertEquals(text.match(/ttl=62 /g)?.length, 5, text);
      for (const [i, node] of running.entries()) {
        const after = await bed.counters(node);
        for (const way of ["outbound", "inbound"] as const) {
          const packets = after[way]["packets"]! - before[i]![way]["packets"]!;
          assert(packets >= 5, `${way} of node ${i}`);
        }
      }
    });
    for (const [from, to] of [[0, 1], [1, 0]] as const) {
      await t.step(`the pod of node ${to} sees the address of the other, no NAT`, async () => {
        const port = 7000 + from;
        // Both ends are held open: nc closes its side when its input ends.
        const held = (words: string) => `tail -f /dev/null | nc ${words}`;
        const start = (i: number, script: string) =>
          pods.engine(bed.node(i)).must("exec", "--detach", "pod", "sh", "-c", script);
        await start(to, held(`-l -p ${port}`));
        await start(from, `until ${held(`${bed.podAddress(to)} ${port}`)}; do sleep 0.1; done`);
        let seen = "";
        await until("a connection exists", 60_000, async () => {
          seen = await sourceSeen(pods, bed, to, port);
          return seen !== "";
        });
        assertEquals(seen, bed.podAddress(from));
      });
    }
    await t.step(`TCP: ${BYTES} bytes arrive as they were sent`, async () => {
      const make = `head -c ${BYTES} /dev/urandom >/tmp/sent; sha256sum </tmp/sent`;
      const sent = await pods.engine(b).docker("exec", POD, "sh", "-c", make);
      await pods.engine(b).must(...["exec", "--detach", "pod"], "httpd", "-f", "-h", "/tmp");
      const address = bed.podAddress(1);
      const get = `until nc -w 1 ${address} 80 </dev/null; do sleep 0.1; done; ` +
        `wget -q -O - http://${address}/sent | sha256sum`;
      const received = await pods.engine(a).docker("exec", POD, "timeout", "300", "sh", "-c", get);
      assertMatch(received.stdout, /^[0-9a-f]{64} /, received.stderr);
      assertEquals(received.stdout, sent.stdout);
    });
    await t.step("pods reach what is outside the network, by their host's address", async () => {
      // The Internet: it knows the way to the node, and none to pods.
      const outside = `${a.namespace}-outside`;
      await bed.addNamespace(outside);
      const cable = [
        "link",
        "add",
        "up0",
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        outside,
      ];
      for (
        const words of [
          ["-n", a.namespace, ...cable],
          ["-n", a.namespace, "address", "add", "203.0.113.2/30", "dev", "up0"],
          ["-n", a.namespace, "link", "set", "up0", "up"],
          ["-n", outside, "address", "add", "203.0.113.1/30", "dev", "eth0"],
          ["-n", outside, "link", "set", "eth0", "up"],
          ["-n", a.namespace, "route", "add", "default", "via", "203.0.113.1"],
        ]
      ) assertEquals((await runProgram("ip", words)).stderr, "", words.join(" "));
      const out = async () => {
        const words = ["ping", "-c", "2", "-i", "0.2", "-W", "3", "203.0.113.1"];
        return (await pods.engine(a).docker("exec", POD, ...words)).stdout;
      };
      assertMatch(await out(), / 2 packets received/);
      assertEquals(await warned(bed, 0), []);
      // Pods see each other's own addresses as before.
      assertMatch(await ping(2), / 2 packets received/);
      const rule = "POSTROUTING -s 172.1.0.0/16 ! -d 172.0.0.0/8 -j MASQUERADE";
      assertEquals((await bed.onNode(0, "sh", "-c", `iptables -t nat -D ${rule}`)).code, 0);
      assertMatch(await out(), / 0 packets received/);
      const found = await warned(bed, 0);
      const fix = `iptables -t nat -A ${rule}`;
      assertEquals(found.map((check) => [check.id, check.fix]), [["outside", fix]]);
      assertEquals((await bed.onNode(0, "sh", "-c", fix)).code, 0);
      assertMatch(await out(), / 2 packets received/);
      assertEquals(await warned(bed, 0), []);
    });
    await t.step("a port that a pod publishes is reached from outside", async () => {
      const engine = pods.engine(a);
      const serve = ["sh", "-c", "echo published >/tmp/word; exec httpd -f -h /tmp"];
      const options = ["--detach", "--name", "web", "--network", "tunnet", "--ip", "172.1.0.9"];
      await engine.must("run", ...options, "--publish", "8080:80", "tunnet-lab", ...serve);
      const get = (namespace: string, url: string) =>
        runProgram("ip", ["netns", "exec", namespace, "busybox", "wget", "-q", "-O", "-", url]);
      const outside = `${a.namespace}-outside`;
      await until("it answers", 15_000, async () => {
        const { stdout } = await get(outside, "http://203.0.113.2:8080/word");
        return stdout === "published\n";
      });
      // Its own address was asked for, and other nodes' pods reach it there.
      const words = ["exec", POD, "wget", "-q", "-O", "-", "http://172.1.0.9/word"];
      assertEquals(await pods.engine(b).must(...words), "published\n");
      await engine.must("rm", "--force", "web");
    });
    await t.step("what a reboot forgets is there again at the service's start", async () => {
      const before = await rules(bed, 0);
      const prepare = `${bed.dir}/prepare.sh`;
      const engine = pods.engine(a);
      const bin = `${bed.dir}/bin`;
      Deno.mkdirSync(bin);
      const tunnet = bed.command.map((word) => `'${word}'`).join(" ");
      for (
        const [name, script] of [["tunnet", `exec ${tunnet} "$@"`], ["sudo", 'exec "$@"']] as const
      ) Deno.writeTextFileSync(`${bin}/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      const here = (text: string) => text.replaceAll(SERVICE.prepare, prepare);
      const [, command] = /^# +(tunnet setup .*)$/m.exec(scriptOf(0))!;
      const kept = await engine.script(`PATH=${bin}:$PATH; cd ${bin}; ${here(command!)}`);
      assertEquals(kept.code, 0, kept.stderr);
      for (const _ of [1, 2]) await bed.onNode(0, "iptables", "-D", "DOCKER-USER", "1");
      await bed.onNode(0, "iptables", "-t", "nat", "-D", "POSTROUTING", "1");
      await bed.onNode(0, "sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward");
      const unit = unitFile({ self: loaded.config.nodes[0]!, embedded: false });
      const [, start] = /^ExecStartPre=\+(.*)$/m.exec(unit)!;
      assertEquals((await engine.script(here(start!))).stderr, "");
      assertEquals(await rules(bed, 0), before);
      assertMatch(await ping(2), / 2 packets received/);
    });
    await t.step("the script changes nothing when it is run again", async () => {
      const before = await rules(bed, 0);
      assertEquals((await pods.engine(a).script(scriptOf(0))).stderr, "");
      assertEquals(await rules(bed, 0), before);
    });
    await t.step("the doctor finds nothing, and what is taken away", async () => {
      assertEquals(await failing(bed, 1), []);
      await bed.onNode(1, "iptables", "-F", "DOCKER-USER");
      assertMatch(await ping(2), / 0 packets received/);
      const found = await failing(bed, 1);
      assertEquals(found.map(({ id, fix }) => [id, fix]), [
        ["forward", "iptables -I DOCKER-USER -i tunnet0 -o tunnet-br -j ACCEPT"],
      ]);
      assertEquals((await bed.onNode(1, "sh", "-c", found[0]!.fix)).code, 0);
      assertEquals(await failing(bed, 1), []);
      assertMatch(await ping(2), / 2 packets received/);
    });
    await t.step("undo, once more than needed, leaves neither network nor rule", async () => {
      const engine = pods.engine(a);
      const refused = await engine.script(scriptOf(0, true));
      assertMatch(refused.stderr, /^setup: error: containers use the network tunnet; try: /);
      await engine.must("rm", "--force", "pod");
      for (const _ of [1, 2]) {
        const { code, stderr } = await engine.script(scriptOf(0, true));
        assertEquals([code, stderr], [0, ""]);
      }
      assertNotMatch(await rules(bed, 0), /tunnet/);
      assertNotMatch(await engine.must("network", "ls"), /tunnet/);
    });
    await t.step("a network of that name that is another's is left alone", async () => {
      const engine = pods.engine(a);
      await engine.must("network", "create", "--subnet", "172.1.0.0/16", "tunnet");
      const { code, stderr } = await engine.script(scriptOf(0));
      assertEquals(code, 1);
      assertMatch(stderr, /^setup: error: the Docker network tunnet exists already and differs/);
      // The tutorial's trap: that network has Docker's NAT.
      assert((await failing(bed, 0)).some(({ id }) => id === "nat"));
      const undone = await engine.script(scriptOf(0, true));
      assertMatch(undone.stderr, /^setup: warning: the Docker network tunnet was not made by this/);
      assertMatch(await engine.must("network", "ls"), / tunnet /);
    });
  } finally {
    await pods.down();
  }
}, !EXEC);

dockerTest("docker: two Engines on one Ethernet, each with its part of the addresses", async () => {
  await using bed = await Bed.create({ bare: true, mode: "tap" });
  const file = `${bed.dir}/tunnet.yaml`;
  const loaded = { ...parseConfig(bed.yaml, file), file };
  // Docker gives the addresses.
  const nodes = bed.plan.nodes.map((node) => ({ ...node, podAddresses: [] }));
  const pods = new DockerPods({ ...bed.plan, nodes }, loaded, bed.dir);
  const engines = nodes.map((node) => pods.engine(node));
  try {
    await pods.up();
    await Promise.all([bed.start(0), bed.start(1)]);
    const addressOf = async (i: number) => {
      const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
      return (await engines[i]!.must("inspect", "--format", format, POD)).trim();
    };
    const [a, b] = [await addressOf(0), await addressOf(1)];
    assertEquals([a, b], ["10.1.0.2", "10.1.0.128"]);
    // One Ethernet: nothing counts down on the way. The bridges learn where the pods are.
    const words = ["ping", "-c", "3", "-i", "0.2", "-W", "3"];
    await until("they reach each other", 15_000, async () => {
      const { stdout } = await engines[0]!.docker("exec", POD, ...words, b!);
      return / 3 packets received/.test(stdout) && stdout.includes("ttl=64");
    });
    // Pods have an MTU of 1,500, and the path carries less.
    const make = `head -c ${BYTES} /dev/urandom >/tmp/sent; sha256sum </tmp/sent`;
    const sent = await engines[1]!.must("exec", POD, "sh", "-c", make);
    await engines[1]!.must("exec", "--detach", POD, "httpd", "-f", "-h", "/tmp");
    const get = `until nc -w 1 ${b} 80 </dev/null; do sleep 0.1; done; ` +
      `wget -q -O - http://${b}/sent | sha256sum`;
    assertEquals(await engines[0]!.must("exec", POD, "timeout", "60", "sh", "-c", get), sent);
    assertEquals(await warned(bed, 0), []);
    const undo = dockerScript({ loaded, self: loaded.config.nodes[0]!, undo: true });
    await engines[0]!.must("rm", "--force", POD);
    assertEquals((await engines[0]!.script(undo)).stderr, "");
    assertNotMatch(await engines[0]!.must("network", "ls"), /tunnet/);
  } finally {
    await pods.down();
  }
}, !EXEC);

/** Starts `tunnet lab --docker`; its process id is in the names of its namespaces. */
function lab(): Deno.ChildProcess {
  const [program, ...words] = tunnetCommand("/");
  return new Deno.Command(program!, {
    args: [...words, "lab", "--docker"],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** What a lab left: namespaces, cgroups, processes with its directory in their words. */
async function left(pid: number): Promise<string> {
  const namespaces = namespacesOf(`${pid}`);
  const cgroups = await runProgram("find", ["/sys/fs/cgroup", "-name", `tunnet-${pid}-*`]);
  return namespaces.join() + cgroups.stdout;
}

dockerTest(
  "lab --docker: a container on each of two Docker hosts, and nothing is left",
  async () => {
    const child = lab();
    const { code, stdout, stderr } = await child.output();
    const text = new TextDecoder();
    assertEquals([code, text.decode(stderr)], [0, ""]);
    assertEquals(text.decode(stdout).match(/^ok .* 3\/3 replies, 0 % loss/gm)?.length, 2);
    assertEquals(await left(child.pid), "");
  },
);

dockerTest("lab --docker: SIGINT in the middle leaves nothing", async () => {
  const child = lab();
  const mine = namespacePrefix(`${child.pid}`);
  await until("a Docker Engine makes its bridge", 60_000, async () => {
    const { stdout } = await runProgram("ip", ["-n", `${mine}node-a`, "-o", "link"]);
    return stdout.includes("docker0");
  });
  child.kill("SIGINT");
  const { code, stderr } = await child.output();
  assertMatch(new TextDecoder().decode(stderr), /^tunnet: error: the lab was interrupted\n$/);
  assertEquals(code, 1);
  assertEquals(await left(child.pid), "");
});

Deno.test("lab --docker: one line says what is missing", async () => {
  // A path with the programs that the lab itself needs, and no Docker.
  const dir = Deno.makeTempDirSync({ prefix: "tunnet-test-" });
  try {
    const needed = ["sh", "env", "cat", "nsenter", "tar", "busybox", "iptables"];
    for (const name of needed) {
      const { stdout } = await runProgram("sh", ["-c", `command -v ${name}`]);
      if (stdout !== "") Deno.symlinkSync(stdout.trim(), `${dir}/${name}`);
    }
    await checkDocker(dir).then(
      () => assert(false, "nothing is missing"),
      (error) =>
        assertEquals(
          error.message,
          "the Docker lab needs dockerd, containerd, runc, docker (they are not on this host); " +
            "try: apt-get install --no-install-recommends docker.io iptables busybox-static",
        ),
    );
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

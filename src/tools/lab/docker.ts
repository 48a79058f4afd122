/** A lab whose nodes are Docker hosts: each has an Engine of its own, and a container for a pod. */

import type { LoadedConfig } from "../../config/types.ts";
import { RunError } from "../../base/errors.ts";
import { runIfThere, runProgram } from "../../base/run_program.ts";
import { dockerNetworks, dockerScript } from "../setup/docker.ts";
import { DockerEngine, removeEngine } from "./engine.ts";
import type { LabPods } from "./pods.ts";
import type { LabRecord } from "./record.ts";
import type { LabNode, LabPlan } from "./topology.ts";

/** What the lab needs; Debian's packages. */
const PROGRAMS = [
  "dockerd",
  "containerd",
  "runc",
  "docker",
  "iptables",
  "busybox",
  "nsenter",
  "tar",
];
const PACKAGES = "docker.io iptables busybox-static";

const IMAGE = "tunnet-lab";
/** Name of each node's container. */
export const POD = "pod";

/** An image without a registry: busybox and its applets; $1 is an empty directory. */
const BUILD_IMAGE = `
mkdir -p "$1/bin" "$1/tmp"
cp "$(command -v busybox)" "$1/bin/busybox"
for applet in $(busybox --list); do
  [ "$applet" = busybox ] || ln -s busybox "$1/bin/$applet"
done
chroot "$1" /bin/busybox true
tar -C "$1" -cf "$1.tar" .
`;

/** Names of programs of which there is none on the path. */
async function missing(path: string): Promise<readonly string[]> {
  const script = `PATH=${path}; for one; do command -v "$one" >/dev/null || echo "$one"; done`;
  const ran = await runIfThere("sh", ["-c", script, "sh", ...PROGRAMS]);
  return (ran?.stdout ?? "").split("\n").filter((one) => one !== "");
}

/**
 * Throws a RunError where the Docker lab cannot be: one line that says what is
 * missing. `path` is where programs are looked for, in shell words.
 */
export async function checkDocker(path = "$PATH"): Promise<void> {
  const names = await missing(path);
  if (names.length === 0) return;
  throw new RunError({
    what: `the Docker lab needs ${names.join(", ")}`,
    why: names.length === 1 ? "it is not on this host" : "they are not on this host",
    how: `apt-get install --no-install-recommends ${PACKAGES}`,
  });
}

const cgroupOf = (namespace: string) => `${namespace}-docker`;

/** Ends the engines of a lab that was killed, and removes what they left in the system. */
export async function sweepEngines({ namespaces, directories }: LabRecord): Promise<void> {
  for (const directory of directories) {
    for (const namespace of namespaces) await removeEngine(directory, cgroupOf(namespace));
  }
}

/** Pods that are containers, each of its node's own Docker Engine. */
export class DockerPods implements LabPods {
  readonly bridge: string;
  readonly #engines: ReadonlyMap<string, DockerEngine>;
  /** Of each container, by its node's name. */
  readonly #pids = new Map<string, string>();

  /** Nothing is made yet. Throws UsageError where a node's subnets do not fit Docker's networks. */
  constructor(readonly plan: LabPlan, readonly loaded: LoadedConfig, readonly dir: string) {
    const [first] = loaded.config.nodes;
    this.bridge = dockerNetworks(loaded.config, first!)[0]!.bridge;
    this.#engines = new Map(plan.nodes.map((node, i) => [
      node.name,
      // Short: a unix socket's path ends at 107 bytes.
      new DockerEngine(node, `${dir}/${i}`, cgroupOf(node.namespace)),
    ]));
  }

  /** A node's engine. */
  engine(node: LabNode): DockerEngine {
    return this.#engines.get(node.name)!;
  }

  path({ name }: LabNode): string {
    return `/proc/${this.#pids.get(name)}/ns/net`;
  }

  async up(): Promise<void> {
    const image = await this.#buildImage();
    const engines = [...this.#engines.values()];
    for (const engine of engines) engine.start();
    await Promise.all(engines.map((engine) => this.#prepare(engine, image)));
  }

  async #buildImage(): Promise<string> {
    Deno.mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    const root = `${this.dir}/image`;
    const { code, stderr } = await runProgram("sh", ["-ec", BUILD_IMAGE, "sh", root]);
    if (code === 0) return `${root}.tar`;
    throw new RunError({
      what: "the container image could not be made",
      why: stderr.trim().split("\n").pop() || "is busybox linked statically?",
      how: "apt-get install busybox-static",
    });
  }

  /** What a user does on a Docker host: runs the script of `tunnet setup`, starts a container. */
  async #prepare(engine: DockerEngine, image: string): Promise<void> {
    await engine.ready();
    const { node } = engine;
    const self = this.loaded.config.nodes.find(({ name }) => name === node.name)!;
    const { code, stderr } = await engine.script(
      dockerScript({ loaded: this.loaded, self, undo: false }),
    );
    if (code !== 0) {
      throw new RunError({
        what: `the script of tunnet setup failed on ${node.name}`,
        why: stderr.trim().split("\n").pop(),
      });
    }
    await engine.must("import", image, IMAGE);
    const addresses = node.podAddresses.flatMap((address) => [
      address.includes(":") ? "--ip6" : "--ip",
      address,
    ]);
    const network = dockerNetworks(this.loaded.config, self)[0]!.name;
    await engine.must(
      ...["run", "--detach", "--name", POD, "--hostname", `pod-${node.name}`],
      ...["--network", network, ...addresses, IMAGE, "tail", "-f", "/dev/null"],
    );
    const pid = await engine.must("inspect", "--format", "{{.State.Pid}}", POD);
    this.#pids.set(node.name, pid.trim());
  }

  async down(): Promise<void> {
    await Promise.all([...this.#engines.values()].map((engine) => engine.stop()));
  }
}

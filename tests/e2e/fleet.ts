/** A bed whose nodes find each other by etcd, which runs beside the first of them. */

import { assertEquals } from "../assert.ts";
import { RealEtcd } from "../peers/etcd.ts";
import type { LabProcess } from "../../src/tools/lab/process.ts";
import { Bed } from "./harness.ts";
import { ip } from "./ip.ts";

/** How long a node of a fleet keeps its subnet in tests. */
export const LEASE_S = 5;

/** Nodes, and etcd in the namespace of the first one. */
export class Fleet implements AsyncDisposable {
  private constructor(readonly bed: Bed, readonly etcd: RealEtcd) {}

  /** Builds the namespaces, starts etcd, and writes the network. */
  static async create(nodes: number, backend: "udp" | "wireguard" = "udp"): Promise<Fleet> {
    const bed = await Bed.create({ nodes, bare: true });
    try {
      const { namespace, address } = bed.node(0);
      const wrap = () => ["ip", "netns", "exec", namespace];
      const etcd = await RealEtcd.start({ hosts: [address], wrap }, async (one) => {
        const { stdout } = await bed.onNode(0, "curl", "-sm1", `${one.endpoints[0]}/health`);
        return stdout.includes("true");
      });
      const fleet = new Fleet(bed, etcd);
      const words = ["etcd", "init", "--network", "10.5.0.0/16", "--backend", backend];
      const { code, stderr } = await bed.onNode(0, ...bed.command, ...words, "--etcd", fleet.url);
      assertEquals(code, 0, stderr);
      const lines = [`etcd:\n  endpoints: ["${fleet.url}"]\n  lease: ${LEASE_S}s\n`];
      Deno.writeTextFileSync(`${bed.dir}/fleet.yaml`, lines.join(""));
      return fleet;
    } catch (error) {
      await bed[Symbol.asyncDispose]();
      throw error;
    }
  }

  get url(): string {
    return this.etcd.endpoints[0]!;
  }

  /** What makes tunnet node `i` of the fleet. */
  args(i: number): string[] {
    return [
      ...["-c", `${this.bed.dir}/fleet.yaml`, "--state-dir", `${this.bed.dir}/state${i}`],
      ...["--subnet-file", this.#subnetFile(i)],
    ];
  }

  /** Starts node `i`; resolves when it is ready. */
  start(i: number, ...more: string[]): Promise<LabProcess> {
    return this.bed.start(i, [...this.args(i), ...more]);
  }

  /** What subnet.env of node `i` says. */
  subnetEnv(i: number): Readonly<Record<string, string>> {
    const lines = Deno.readTextFileSync(this.#subnetFile(i)).trim().split("\n");
    return Object.fromEntries(lines.map((line) => line.split("=")));
  }

  /** The subnet of node `i`, as its first three numbers: `10.5.7`. */
  subnet(i: number): string {
    return /^\d+\.\d+\.\d+/.exec(this.subnetEnv(i).FLANNEL_SUBNET!)![0];
  }

  /** The address of the pod of node `i`. */
  pod(i: number): string {
    return `${this.subnet(i)}.2`;
  }

  /** Gives node `i` a pod, by what its subnet.env says. */
  async addPod(i: number): Promise<void> {
    const { namespace, podNamespace } = this.bed.node(i);
    const subnet = this.subnet(i);
    await this.bed.addNamespace(podNamespace);
    const veth = ["link", "add", "pod", "netns", namespace, "type", "veth"];
    await ip([...veth, "peer", "name", "eth0", "netns", podNamespace]);
    await ip(["-n", namespace, "address", "add", `${subnet}.1/24`, "dev", "pod"]);
    await ip(["-n", namespace, "link", "set", "pod", "up"]);
    await ip(["-n", podNamespace, "address", "add", `${subnet}.2/24`, "dev", "eth0"]);
    await ip(["-n", podNamespace, "link", "set", "eth0", "up"]);
    await ip(["-n", podNamespace, "route", "add", "default", "via", `${subnet}.1`]);
  }

  /** Whether a ping from pod to pod comes back. */
  async reaches(from: number, to: number): Promise<boolean> {
    const words = ["ping", "-n", "-q", "-c", "1", "-W", "0.3", this.pod(to)];
    return (await this.bed.inPod(from, ...words)).code === 0;
  }

  /** What the running node `i` says of itself. */
  async status(i: number): Promise<FleetStatus> {
    const { stdout, stderr } = await this.bed.onNode(i, ...this.bed.command, "status", "--json");
    assertEquals(stderr, "");
    return JSON.parse(stdout);
  }

  #subnetFile(i: number): string {
    return `${this.bed.dir}/subnet${i}.env`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bed[Symbol.asyncDispose]();
    await this.etcd[Symbol.asyncDispose]();
  }
}

/** What tests look at in a status. */
export interface FleetStatus {
  readonly node: { readonly subnets: readonly string[]; readonly problems: readonly string[] };
  readonly peers: readonly { readonly name: string; readonly subnets: readonly string[] }[];
}

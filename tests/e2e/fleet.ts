/** A bed whose nodes find each other by etcd, which runs beside the first of them. */

import { assert, assertEquals } from "../assert.ts";
import { RealEtcd } from "../peers/etcd.ts";
import type { LabProcess } from "../../src/tools/lab/process.ts";
import { Bed, repoPath } from "./harness.ts";
import { ip } from "./ip.ts";
import { keyFile, newKeys } from "./keyed.ts";

/** How long a node keeps its subnet where a test waits for that. */
export const LEASE_S = 5;

/** What a fleet is made of. */
export interface FleetShape {
  readonly nodes: number;
  /** Members of etcd: on the first nodes, one each. */
  readonly members?: number;
  readonly backend?: "udp" | "wireguard";
  readonly lease_s?: number;
  readonly network?: string;
}

/** Starts etcd on the first nodes of a bed, a member on each; resolves when it answers there. */
export function startEtcd(bed: Bed, members: number): Promise<RealEtcd> {
  const wrap = (i: number) => ["ip", "netns", "exec", bed.node(i).namespace];
  const hosts = Array.from({ length: members }, (_, i) => bed.node(i).address);
  return RealEtcd.start({ hosts, wrap }, async (etcd) => {
    const { stdout } = await bed.onNode(0, "curl", "-sm1", `${etcd.endpoints[0]}/health`);
    return stdout.includes("true");
  });
}

/** Nodes, and etcd on the first of them. */
export class Fleet implements AsyncDisposable {
  private constructor(
    readonly bed: Bed,
    readonly etcd: RealEtcd,
    /** Files with the nodes' private keys; none in the clear. */
    readonly keyFiles: readonly string[],
  ) {}

  /** Builds the namespaces, starts etcd, and writes the network. */
  static async create(
    { nodes, members = 1, backend = "udp", lease_s = LEASE_S, network = "10.5.0.0/16" }: FleetShape,
  ): Promise<Fleet> {
    const bed = await Bed.create({ nodes, bare: true });
    try {
      const etcd = await startEtcd(bed, members);
      const fleet = new Fleet(
        bed,
        etcd,
        backend === "udp"
          ? []
          : bed.plan.nodes.map((_, i) => keyFile(bed, `key${i}`, newKeys().privateKey)),
      );
      const words = ["etcd", "init", "--network", network, "--backend", backend];
      const { code, stderr } = await bed.onNode(
        0,
        ...bed.command,
        ...words,
        "--etcd",
        fleet.url,
      );
      assertEquals(code, 0, stderr);
      const yaml = `etcd: {endpoints: [${fleet.url}], lease: ${lease_s}s}\n`;
      Deno.writeTextFileSync(`${bed.dir}/fleet.yaml`, yaml.replaceAll(",http", ", http"));
      return fleet;
    } catch (error) {
      await bed[Symbol.asyncDispose]();
      throw error;
    }
  }

  get url(): string {
    return this.etcd.endpoints.join(",");
  }

  /** Asks a member, from where it runs; nothing where it does not answer. */
  async ask(member: number, path: string, body: unknown): Promise<Record<string, unknown>> {
    const url = `${this.etcd.endpoints[member]}/v3/${path}`;
    const words = ["curl", "-sm5", "-d", JSON.stringify(body), url];
    const { stdout } = await this.bed.onNode(member, ...words);
    return stdout === "" ? {} : JSON.parse(stdout.split("\n")[0]!);
  }

  /** Writes the record of a node by a member, or takes it away where there is no address. */
  async record(member: number, subnet: string, address?: string): Promise<void> {
    const key = btoa(`/coreos.com/network/subnets/${subnet.replace("/", "-")}`);
    const value = btoa(JSON.stringify({ PublicIP: address, PublicIPv6: null }));
    const path = address === undefined ? "kv/deleterange" : "kv/put";
    const answer = await this.ask(member, path, { key, ...(address ? { value } : {}) });
    assert(answer.header, JSON.stringify(answer));
  }

  /** What makes tunnet node `i` of the fleet. */
  args(i: number): string[] {
    return [
      ...["-c", `${this.bed.dir}/fleet.yaml`, "--state-dir", `${this.bed.dir}/state${i}`],
      ...["--subnet-file", this.subnetFile(i)],
      ...(this.keyFiles[i] === undefined ? [] : ["--private-key-file", this.keyFiles[i]]),
    ];
  }

  /** Starts node `i`; resolves when it is ready. */
  start(i: number, ...more: string[]): Promise<LabProcess> {
    return this.bed.start(i, [...this.args(i), ...more]);
  }

  /** Runs churn.ts beside etcd; the two numbers that it prints. */
  async churn(...words: readonly (string | number)[]): Promise<readonly [number, number]> {
    const script = ["run", "-A", "--no-config", repoPath("tests/e2e/churn.ts"), this.url];
    const args = [...script, ...words.map(String)];
    const { code, stdout, stderr } = await this.bed.onNode(0, Deno.execPath(), ...args);
    assertEquals(code, 0, stderr);
    const [rate, left] = stdout.trim().split(" ").map(Number);
    return [rate!, left!];
  }

  /** What subnet.env of node `i` says. */
  subnetEnv(i: number): Readonly<Record<string, string>> {
    const lines = Deno.readTextFileSync(this.subnetFile(i)).trim().split("\n");
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

  /** Where node `i` keeps its last members. */
  stateFile(i: number): string {
    const dir = `${this.bed.dir}/state${i}`;
    const [file] = [...Deno.readDirSync(dir)];
    return `${dir}/${file!.name}`;
  }

  /** The subnet.env of node `i`. */
  subnetFile(i: number): string {
    return `${this.bed.dir}/subnet${i}.env`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bed[Symbol.asyncDispose]();
    await this.etcd[Symbol.asyncDispose]();
  }
}

/** What tests look at in a status. */
export interface FleetStatus {
  readonly node: {
    readonly subnets: readonly string[];
    readonly problems: readonly string[];
    readonly process: { readonly resident_bytes: number; readonly cpu_seconds: number };
  };
  readonly etcd: {
    readonly endpoint: string;
    readonly connected: boolean;
    readonly revision: number;
    readonly lease_held: boolean;
    readonly refused: Readonly<Record<string, number>>;
  };
  readonly peers: readonly {
    readonly name: string;
    readonly subnets: readonly string[];
    readonly transport: string | null;
    readonly state: string;
  }[];
}

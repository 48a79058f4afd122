/**
 * What a lab does inside network namespaces. All of it is called on a Worker:
 * entering a namespace moves the thread, and with it what the thread opens or
 * starts from then on, while the main thread stays where it is.
 */

import { libc, SyscallError } from "../../../ffi/libc.ts";
import { RunError } from "../../base/errors.ts";
import {
  enterNetns,
  makeNetns,
  netnsNames,
  netnsPath,
  openNetns,
  removeNetns,
} from "../../host/netns.ts";
import { openRtnetlink } from "../../host/netlink/linux.ts";
import type { Rtnetlink } from "../../host/netlink/rtnetlink.ts";
import { EchoSocket } from "../../io/echo_socket.ts";
import { makePersistentTap } from "../../io/tun_linux.ts";
import { type Address, parseAddress, parsePrefix } from "../../net/prefix.ts";
import type { Step } from "./topology.ts";

/** A reply comes in microseconds: after so long, others are asked meanwhile. */
const PROMPT_MS = 20;
/** A busy host's last replies are waited for so long. */
const LATE_MS = 2_000;
/** As much as the kernel's socket buffers hold, by default. */
const CHUNK_BYTES = 256 * 1024;

/** One pod to ping another from: a path of its namespace, and the other's address. */
export interface Ping {
  readonly path: string;
  readonly address: string;
}

/** Milliseconds to each reply, in the order of the requests; null where none came. */
export type RoundTrips = readonly (number | null)[];

/** What was received over a TCP connection, from its first byte to its end. */
export interface Received {
  readonly bytes: number;
  readonly duration_ms: number;
}

function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (!address) throw new TypeError(`no address: ${text}`);
  return address;
}

/** Moves the thread into the namespace behind a path. Throws a SyscallError. */
function enter(path: string): void {
  const fd = openNetns(path);
  try {
    enterNetns(fd);
  } finally {
    libc().call.close(fd);
  }
}

/** Builds and removes namespaces; keeps one rtnetlink socket in each, which stays there. */
export class Builder {
  readonly #open = new Map<string, Rtnetlink>();

  /** Carries out the steps. `mark` goes on lo of each namespace. Throws a RunError. */
  build(steps: readonly Step[], mark: string): void {
    try {
      for (const step of steps) this.#step(step, mark);
    } finally {
      for (const rt of this.#open.values()) rt.close();
      this.#open.clear();
    }
  }

  #step(step: Step, mark: string): void {
    try {
      if (step.kind === "namespace") this.#namespace(step.namespace, mark);
      else this.#device(step);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      const what = step.kind === "namespace" ? "" : `the ${step.kind} of ${step.device} in `;
      throw new RunError({ what: `cannot make ${what}${step.namespace}`, why: error.message });
    }
  }

  #namespace(name: string, mark: string): void {
    makeNetns(name, () => {
      const rt = openRtnetlink();
      this.#open.set(name, rt);
      rt.setLink(rt.getLink("lo")!.index, { alias: mark, up: true });
    });
  }

  #device(step: Exclude<Step, { kind: "namespace" }>): void {
    const { namespace, device } = step;
    const rt = this.#open.get(namespace)!;
    const indexOf = (name: string) => rt.getLink(name)!.index;
    switch (step.kind) {
      case "bridge":
        return rt.addBridge(device);
      case "veth": {
        const namespaceFd = openNetns(netnsPath(step.peer.namespace));
        try {
          return rt.addVeth(device, { name: step.peer.device, namespaceFd });
        } finally {
          libc().call.close(namespaceFd);
        }
      }
      case "tap":
        enter(netnsPath(namespace));
        return makePersistentTap(device);
      case "link": {
        const { mtu_bytes, bridge, up } = step;
        const master = bridge === undefined ? undefined : indexOf(bridge);
        return rt.setLink(indexOf(device), { mtu_bytes, master, up });
      }
      case "address":
        return rt.addAddress(indexOf(device), addressOf(step.address), step.length_bits);
      case "route": {
        const { prefix } = parsePrefix(step.prefix)!;
        const [source, gateway] = [step.source, step.gateway].map((text) =>
          text && addressOf(text)
        );
        return rt.addRoute({
          prefix,
          index: indexOf(device),
          source: source || undefined,
          gateway: gateway || undefined,
        });
      }
    }
  }

  /** Removes the namespaces that bear the mark; the names of those that do not, and stay. */
  remove(names: readonly string[], mark: string): readonly string[] {
    const there = netnsNames();
    return names.filter((name) => there.includes(name)).filter((name) => {
      if (!this.#isMarked(name, mark)) return true;
      removeNetns(name);
      return false;
    });
  }

  #isMarked(name: string, mark: string): boolean {
    try {
      enter(netnsPath(name));
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      // An empty file, where the making of a namespace was cut short.
      return Deno.statSync(netnsPath(name)).size === 0;
    }
    using rt = openRtnetlink();
    return rt.getLink("lo")?.alias === mark;
  }
}

/** Sends so many echo requests for each pair, one after the other, and times the replies. */
export function pingPods(pings: readonly Ping[], count: number): readonly RoundTrips[] {
  const runs = pings.map(({ path, address }) => new PingRun(path, addressOf(address)));
  try {
    for (let i = 0; i < count; i++) for (const run of runs) run.ask();
    const deadline_ms = performance.now() + LATE_MS;
    for (const run of runs) run.awaitLate(deadline_ms);
    return runs.map(({ roundTrips_ms }) => roundTrips_ms);
  } finally {
    for (const run of runs) run.close();
  }
}

/** The requests from one pod to one address. */
class PingRun {
  readonly #socket: EchoSocket | undefined;
  readonly #identifier = Math.floor(Math.random() * 0x1_0000);
  readonly #sent_ms: number[] = [];
  readonly roundTrips_ms: (number | null)[] = [];

  constructor(path: string, address: Address) {
    enter(path);
    try {
      this.#socket = new EchoSocket(address);
    } catch (error) {
      // Without a route nothing can be sent: all is lost.
      if (!(error instanceof SyscallError)) throw error;
    }
  }

  /** Sends the next request, and waits a moment for its reply unless an earlier one is missing. */
  ask(): void {
    const behind = this.roundTrips_ms.includes(null);
    const sequence = this.roundTrips_ms.push(null) - 1;
    this.#sent_ms[sequence] = performance.now();
    try {
      this.#socket?.send({ identifier: this.#identifier, sequence });
    } catch (error) {
      // Refused by the kernel: lost as well.
      if (!(error instanceof SyscallError)) throw error;
    }
    this.#collect(behind ? 0 : PROMPT_MS, sequence);
  }

  /** Waits for what is still missing. */
  awaitLate(deadline_ms: number): void {
    while (this.roundTrips_ms.includes(null)) {
      const left_ms = deadline_ms - performance.now();
      if (!this.#receive(Math.max(0, left_ms))) return;
    }
  }

  close(): void {
    this.#socket?.close();
  }

  #collect(timeout_ms: number, sequence: number): void {
    const deadline_ms = performance.now() + timeout_ms;
    while (this.roundTrips_ms[sequence] === null) {
      if (!this.#receive(Math.max(0, deadline_ms - performance.now()))) return;
    }
  }

  /** Takes one reply; false if none came in time. */
  #receive(timeout_ms: number): boolean {
    const echo = this.#socket?.receive(timeout_ms);
    if (!echo) return false;
    const { identifier, sequence } = echo;
    const sent_ms = this.#sent_ms[sequence];
    if (identifier === this.#identifier && sent_ms !== undefined) {
      this.roundTrips_ms[sequence] ??= performance.now() - sent_ms;
    }
    return true;
  }
}

/** Receives from the first TCP connection that comes to an address inside a namespace. */
export class Receiver {
  readonly #listener: Deno.TcpListener;

  constructor(path: string, address: string) {
    enter(path);
    this.#listener = Deno.listen({ hostname: address, port: 0 });
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** Resolves at the end of the connection. */
  async received(): Promise<Received> {
    using connection = await this.#listener.accept();
    this.#listener.close();
    const buffer = new Uint8Array(CHUNK_BYTES);
    const start_ms = performance.now();
    let bytes = 0;
    for (let size; (size = await connection.read(buffer)) !== null;) bytes += size;
    return { bytes, duration_ms: performance.now() - start_ms };
  }
}

/** Sends over one TCP connection from inside a namespace for so long. */
export async function sendFor(
  path: string,
  hostname: string,
  port: number,
  duration_ms: number,
): Promise<void> {
  enter(path);
  using connection = await Deno.connect({ hostname, port });
  const buffer = new Uint8Array(CHUNK_BYTES);
  const end_ms = performance.now() + duration_ms;
  while (performance.now() < end_ms) await connection.write(buffer);
}

/** Waits for one line before it becomes the program: whoever dies before that leaves nothing. */
const HELD = 'log=$1; shift; read -r go && exec "$@" </dev/null 2>>"$log"';

/**
 * A program inside a namespace, held back until it is released; what it writes to standard
 * error goes to the file `log`.
 */
export class HeldProcess {
  readonly #child: Deno.ChildProcess;

  constructor(path: string, command: readonly string[], log: string) {
    enter(path);
    this.#child = new Deno.Command("sh", {
      args: ["-c", HELD, "sh", log, ...command],
      // Deno kills the others with the Worker; a lab that is kept outlives it.
      detached: true,
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  get pid(): number {
    return this.#child.pid;
  }

  get status(): Promise<Deno.CommandStatus> {
    return this.#child.status;
  }

  /** Lets it become the program. */
  async release(): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("go\n"));
    await writer.close();
  }
}

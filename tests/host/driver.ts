/**
 * Runs rtnetlink calls inside a network namespace for the tests: one JSON
 * request per line on standard input, one JSON answer per line on standard
 * output. Started by namespace.ts.
 */

import { SyscallError } from "../../ffi/libc.ts";
import { type BridgePort, joinBridge } from "../../src/host/bridge_port.ts";
import {
  configureDevice,
  type DeviceConfig,
  type DevicePlan,
} from "../../src/host/device_config.ts";
import type { RouteInfo } from "../../src/host/netlink/rtnetlink.ts";
import { openRtnetlink, pathMtu, underlay } from "../../src/host/netlink/linux.ts";
import {
  type Address,
  formatAddress,
  formatPrefix,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../../src/net/prefix.ts";

/** A route in the tests' form. */
export interface RouteText {
  readonly prefix: string;
  readonly index: number;
  readonly source?: string;
  readonly metric?: number;
}

/** A device plan in the tests' form. */
export interface PlanText {
  readonly index: number;
  readonly mtu_bytes: number;
  readonly addresses: readonly string[];
  readonly routes: readonly { readonly prefix: string; readonly source?: string }[];
}

const address = (text: string): Address => {
  const found = parseAddress(text);
  if (!found) throw new TypeError(`no address: ${text}`);
  return found;
};

const prefix = (text: string): Prefix => {
  const found = parsePrefix(text);
  if (!found) throw new TypeError(`no prefix: ${text}`);
  return found.prefix;
};

const interfaceAddress = (text: string) => {
  const [host, length] = text.split("/");
  return { address: address(host!), length_bits: Number(length) };
};

const route = ({ prefix: text, index, source, metric }: RouteText) => ({
  prefix: prefix(text),
  index,
  source: source === undefined ? undefined : address(source),
  metric,
});

const routeText = (found: RouteInfo) => ({
  prefix: formatPrefix(found.prefix),
  index: found.index,
  metric: found.metric,
  kind: found.kind,
});

const planOf = (plan: PlanText): DevicePlan => ({
  ...plan,
  addresses: plan.addresses.map(interfaceAddress),
  routes: plan.routes.map(({ prefix: text, source }) => ({
    prefix: prefix(text),
    source: source === undefined ? undefined : address(source),
  })),
});

const rt = openRtnetlink(Deno.args[0] ? Number(Deno.args[0]) : undefined);
let device: DeviceConfig | undefined;
let prune: (() => void) | undefined;
let port: BridgePort | undefined;

/** The calls that a test can make. */
const calls = {
  getLink: (nameOrIndex: string | number) => rt.getLink(nameOrIndex) ?? null,
  setLink: (index: number, change: { mtu_bytes?: number; up?: boolean; master?: number }) =>
    rt.setLink(index, change),
  addresses: (index?: number) =>
    rt.addresses(index).map((found) => ({
      index: found.index,
      address: `${formatAddress(found.address.bytes)}/${found.length_bits}`,
    })),
  addAddress: (index: number, text: string) => {
    const { address, length_bits } = interfaceAddress(text);
    rt.addAddress(index, address, length_bits);
  },
  removeAddress: (index: number, text: string) => {
    const { address, length_bits } = interfaceAddress(text);
    rt.removeAddress(index, address, length_bits);
  },
  addRoute: (text: RouteText) => rt.addRoute(route(text)),
  removeRoute: (text: RouteText) => rt.removeRoute(route(text)),
  routes: (index?: number) => rt.routes(index).map(routeText),
  routesTo: (text: string) => rt.routesTo(prefix(text)).map(routeText),
  interfacesTo: (text: string) => rt.interfacesTo(address(text)),
  routeTo: (text: string, oif?: number) => {
    const path = rt.routeTo(address(text), oif);
    if (!path) return null;
    const { index, source, mtu_bytes } = path;
    return {
      index,
      source: source ? formatAddress(source.bytes) : null,
      mtu_bytes: mtu_bytes ?? null,
    };
  },
  pathMtu: (text: string) => pathMtu(rt, address(text)) ?? null,
  underlayMtu: (text: string) => underlay(rt, address(text))?.mtu_bytes ?? null,
  configure: (plan: PlanText) => {
    device = configureDevice(rt, planOf(plan));
  },
  /** The first step of a change. */
  change: (plan: PlanText) => {
    prune = device!.change(planOf(plan));
  },
  /** Its second step. */
  prune: () => prune!(),
  reapply: () => device!.reapply(),
  undo: () => device!.undo(),
  joinBridge: (index: number, bridge: string) => {
    port = joinBridge(rt, rt.getLink(index)!, bridge);
  },
  rejoinBridge: () => port!.reapply(),
  leaveBridge: () => port!.leave(),
  close: () => rt.close(),
  /** Descriptors of this process, after opening and closing rtnetlink `times` times. */
  descriptors: (times: number) => {
    for (let i = 0; i < times; i++) openRtnetlink().close();
    return [...Deno.readDirSync("/proc/self/fd")].length;
  },
  /** Whether all netlink sockets of this process are closed in a child. */
  inherited: () => {
    const { stdout } = new Deno.Command("ls", { args: ["-l", "/proc/self/fd"] }).outputSync();
    return new TextDecoder().decode(stdout).includes("socket:");
  },
  /** Reads all addresses over and over until `count` reads are done; tells the fewest found. */
  fewestAddresses: (index: number, count: number) => {
    let fewest = Infinity;
    for (let i = 0; i < count; i++) {
      const kept = rt.addresses(index).filter(({ address }) => address.bytes[0] === 10);
      fewest = Math.min(fewest, kept.length);
    }
    return fewest;
  },
};

/** What the calls look like from outside. */
export type Calls = typeof calls;

if (import.meta.main) {
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
  let rest = "";
  for await (const chunk of lines) {
    rest += chunk;
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
      const { call, args }: { call: keyof Calls; args: never[] } = JSON.parse(rest.slice(0, end));
      rest = rest.slice(end + 1);
      let answer: unknown;
      try {
        const run: (...args: never[]) => unknown = calls[call];
        answer = { value: run(...args) ?? null };
      } catch (error) {
        const { name, message } = error as Error;
        const errno = error instanceof SyscallError ? error.errnoName : undefined;
        answer = { error: { name, message, errno } };
      }
      console.log(JSON.stringify(answer));
    }
  }
}

import { assertEquals, assertMatch } from "../assert.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/libc.ts";
import { RunError } from "../../src/base/errors.ts";
import { type PeerRow, TRANSPORT } from "../../src/forwarding/peer_row.ts";
import type { LinkInfo, Rtnetlink } from "../../src/host/netlink/rtnetlink.ts";
import {
  type ControllerParts,
  KernelPathController,
  type OpenedPath,
  whyNoKernelPath,
} from "../../src/kernel_path/controller.ts";
import type { HelperNamespace } from "../../src/kernel_path/helper_namespace.ts";
import type { Lost } from "../../src/kernel_path/maps/tally.ts";
import { CAPABILITY } from "../../src/wire/hello.ts";
import { logged } from "../fakes/peers.ts";

const NOTHING: Lost = { sendFailed: 0, rejected: 0, overflow: 0, foreign: 0 };
const DEVICE = { name: "tunnet0", index: 9 };

/** A path in memory, which a test tells what to say. */
class FakePath implements OpenedPath {
  readonly helperName = "tunnet0-in";
  readonly done: string[] = [];
  lostNow = NOTHING;
  stuck = false;
  watched: ReturnType<OpenedPath["watch"]> = undefined;
  selfTestFails = false;
  full: number | undefined;
  closed = false;
  removed: boolean | "for good" = false;
  packets = 0;

  setPeer({ index, ifindex, takes }: Parameters<OpenedPath["setPeer"]>[0]): void {
    if (this.full) throw new SyscallError("bpf", this.full);
    this.done.push(`peer ${index} by ${ifindex}${takes ? "" : ", only from it"}`);
  }
  clearPeer(index: number): void {
    this.done.push(`no peer ${index}`);
  }
  setRoutes(routes: readonly unknown[], defaultPeer: number): void {
    this.done.push(`${routes.length} routes, default ${defaultPeer}`);
  }
  carried() {
    const amount = { packets: this.packets, bytes: 100 * this.packets };
    this.packets = 0;
    return { outbound: amount, inbound: { packets: 0, bytes: 0 } };
  }
  lost(): Lost {
    return this.lostNow;
  }
  isStuck(): boolean {
    return this.stuck;
  }
  restoreHelper(): boolean {
    if (this.removed === "for good") throw new SyscallError("RTM_NEWLINK", ERRNO.EEXIST);
    const removed = this.removed;
    this.removed = false;
    return removed;
  }
  selfTest(): Promise<void> {
    return this.selfTestFails
      ? Promise.reject(new RunError({ what: "no kernel path", why: "nothing gets there" }))
      : Promise.resolve();
  }
  watch() {
    return this.watched;
  }
  close(): void {
    this.closed = true;
  }
}

const row = (last: number, change: Partial<PeerRow> = {}): PeerRow => ({
  address: Uint8Array.of(10, 0, 0, last),
  port: 3009,
  mtu_bytes: 1472,
  capabilities: CAPABILITY.kernelPath,
  heard: true,
  token: 0n,
  transport: TRANSPORT.kernel,
  ...change,
});

function setup(change: Partial<ControllerParts> = {}) {
  const { log, lines } = logged();
  const path = new FakePath();
  const state = {
    ifindex: 2,
    ethernet: true,
    ipsec: 0,
    lookups: 0,
    namespaces: 0,
    openNamespace() {
      state.namespaces++;
      return { close: () => void state.namespaces-- } as unknown as HelperNamespace;
    },
    open: (): Promise<OpenedPath> => Promise.resolve(path),
  };
  const counted: string[] = [];
  const rt = {
    routeTo() {
      state.lookups++;
      return { index: state.ifindex, source: { version: 4, bytes: Uint8Array.of(10, 0, 0, 1) } };
    },
    getLink: (index: number) => ({ index, name: "eth0", ethernet: state.ethernet } as LinkInfo),
  } as unknown as Rtnetlink;
  const controller = new KernelPathController({
    ...{ rt, log, ipVersion: 4, listen: { host: "0.0.0.0", port: 3009 }, unwanted: undefined },
    counters: {
      countForKernel: (_, counter, count) =>
        void (count > 0 && counted.push(`${counter} ${count}`)),
      countCarried: (direction, peer, { packets }) =>
        void (packets > 0 && counted.push(`${direction} ${peer} ${packets}`)),
    },
    host: {
      openNamespace: () => state.openNamespace(),
      open: () => state.open(),
      ipsecPolicies: () => state.ipsec,
      takesTcpSuperPackets: () => false,
    },
    ...change,
  });
  const done = () => path.done.splice(0);
  return { controller, path, state, counted, lines, done };
}

Deno.test("kernel path: opened, it takes over what was set before", async () => {
  const { controller, done } = setup();
  controller.setPeer(0, row(2));
  controller.setPeer(1, row(3, { transport: TRANSPORT.tunnet }));
  controller.setPeer(2, row(4, { capabilities: 0, transport: TRANSPORT.tunnet }));
  controller.setPeer(3, row(5, { address: new Uint8Array(0), transport: TRANSPORT.unresolved }));
  controller.setRoutes([], 0);
  assertEquals([controller.inUse, done()], [false, []]);
  await controller.open(DEVICE);
  assertEquals([controller.inUse, done()], [true, [
    "0 routes, default 0",
    "peer 0 by 2",
    "peer 1 by 2, only from it",
  ]]);
});

Deno.test("kernel path: one peer's change is that peer's alone, and routes follow routes", async () => {
  const { controller, path, counted, state, done } = setup();
  controller.setPeer(0, row(2));
  controller.setPeer(1, row(3));
  await controller.open(DEVICE);
  done();
  state.lookups = 0;
  controller.setPeer(1, row(3, { mtu_bytes: 1400 }));
  assertEquals([done(), state.lookups], [["peer 1 by 2"], 0], "reached as before");
  path.packets = 7;
  controller.setPeer(1, row(3, { capabilities: 0, transport: TRANSPORT.tunnet }));
  assertEquals([done(), counted.splice(0)], [["no peer 1"], ["outbound 1 7"]]);
  controller.setPeer(1, row(3, { capabilities: 0, transport: TRANSPORT.tunnet }));
  controller.clearPeer(0);
  controller.clearPeer(0);
  assertEquals(done(), ["no peer 0"]);
});

Deno.test("kernel path: why there is none", async (t) => {
  const cases: readonly (readonly [
    name: string,
    prepare: (state: ReturnType<typeof setup>["state"]) => void,
    line: RegExp,
    obstacle: string,
  ])[] = [
    [
      "IPsec policies",
      (state) => state.ipsec = 1,
      /no kernel path: this host has IPsec policies/,
      "this host has IPsec policies, which it would pass by",
    ],
    [
      "no namespace for the helper",
      (state) => {
        state.openNamespace = () => {
          throw new SyscallError("RTM_NEWLINK", ERRNO.EOPNOTSUPP);
        };
      },
      /no kernel path \(this kernel has no VXLAN or veth devices\); packets go by the lanes/,
      "this kernel has no VXLAN or veth devices",
    ],
    [
      "it does not work here",
      (state) => state.open = () => Promise.reject(new RunError({ what: "no kernel path" })),
      /no kernel path; packets go by the lanes/,
      "no kernel path",
    ],
  ];
  for (const [name, prepare, line, obstacle] of cases) {
    await t.step(name, async () => {
      const { controller, state, lines } = setup();
      prepare(state);
      await controller.open(DEVICE);
      assertEquals([controller.inUse, lines.length, line.test(lines[0]!)], [false, 1, true]);
      assertEquals(controller.obstacle, obstacle);
    });
  }
  await t.step("it is not wanted: the line on the engine says so", async () => {
    const { controller, lines } = setup({ unwanted: "every node has a key" });
    await controller.open(DEVICE);
    assertEquals([controller.obstacle, lines], ["every node has a key", []]);
  });
  await t.step("there is one", async () => {
    const { controller, path } = setup();
    await controller.open(DEVICE);
    assertEquals(controller.obstacle, undefined);
    path.full = ERRNO.ENOSPC;
    controller.setPeer(0, row(2));
    assertEquals(controller.obstacle, "bpf: ENOSPC", "given up");
  });
  assertEquals(
    [
      whyNoKernelPath({ wanted: false, sealed: false, mode: "tun", traced: false }),
      whyNoKernelPath({ wanted: true, sealed: false, mode: "tap", traced: false }),
      whyNoKernelPath({ wanted: true, sealed: false, mode: "tun", traced: true }),
      whyNoKernelPath({ wanted: true, sealed: false, mode: "tun", traced: false }),
    ],
    ["switched off", "mode tap has none", "every packet is to be seen", undefined],
  );
});

Deno.test("kernel path: its namespace is made once, with rights that are given up, and ends last", async () => {
  const { controller, state, path } = setup();
  await controller.open(DEVICE);
  await controller.open(DEVICE);
  controller.close();
  assertEquals([state.namespaces, path.closed], [1, true]);
  await controller.open(DEVICE);
  controller.end();
  assertEquals([state.namespaces, controller.inUse], [0, false]);
});

Deno.test("kernel path: a device that has gone while it was opened gets none", async () => {
  const { controller, path, state } = setup();
  const opened = Promise.withResolvers<OpenedPath>();
  state.open = () => opened.promise;
  const open = controller.open(DEVICE);
  controller.close();
  opened.resolve(path);
  await open;
  assertEquals([controller.inUse, path.closed], [false, true]);
});

Deno.test("kernel path: it is given up when it does not carry, or may not any more", async (t) => {
  const cases: readonly (readonly [
    name: string,
    happens: (fixture: ReturnType<typeof setup>) => void | Promise<void>,
    inUse: boolean,
  ])[] = [
    ["nothing happens", ({ controller }) => controller.check(), true],
    ["IPsec policies", ({ controller, state }) => {
      state.ipsec = 1;
      controller.check();
    }, false],
    ["stuck once, and the self-test gets through", async ({ controller, path }) => {
      path.stuck = true;
      controller.check();
      await Promise.resolve();
    }, true],
    ["stuck once, and the self-test does not", async ({ controller, path }) => {
      path.stuck = path.selfTestFails = true;
      controller.check();
      await new Promise((resolve) => setTimeout(resolve, 0));
    }, false],
    ["stuck twice", ({ controller, path }) => {
      path.stuck = true;
      controller.check();
      controller.check();
    }, false],
    ["stuck, then not, then again", ({ controller, path }) => {
      for (const stuck of [true, false, true]) {
        path.stuck = stuck;
        controller.check();
      }
    }, true],
    [
      "the helper is removed, and what was lost with it makes nothing of it",
      ({ controller, path }) => {
        path.stuck = true;
        controller.check();
        path.removed = true;
        controller.check();
      },
      true,
    ],
    ["a helper that cannot be made again", ({ controller, path }) => {
      path.removed = "for good";
      controller.check();
    }, false],
    ["a map that is full", ({ controller, path }) => {
      path.full = ERRNO.ENOSPC;
      controller.setPeer(0, row(2));
    }, false],
  ];
  for (const [name, happens, inUse] of cases) {
    await t.step(name, async () => {
      const fixture = setup();
      await fixture.controller.open(DEVICE);
      await happens(fixture);
      const { controller, path, lines } = fixture;
      assertEquals([controller.inUse, path.closed], [inUse, !inUse]);
      assertEquals(lines.filter((line) => line.includes("is given up")).length, inUse ? 0 : 1);
    });
  }
});

Deno.test("kernel path: a check counts what was lost, a sample what was carried", async () => {
  const { controller, path, counted } = setup();
  controller.setPeer(0, row(2));
  await controller.open(DEVICE);
  path.packets = 5;
  path.lostNow = { sendFailed: 1, rejected: 2, overflow: 3, foreign: 4 };
  controller.check();
  assertEquals(counted.splice(0), [
    "send_failed 1",
    "device_rejected 2",
    "backlog_overflow 3",
    "unknown_peer 4",
  ]);
  controller.sample();
  controller.sample();
  assertEquals(counted.splice(0), ["outbound 0 5"]);
  path.packets = 6;
  controller.close();
  assertEquals([counted, path.closed], [["outbound 0 6"], true]);
});

Deno.test("kernel path: a peer that is reached by another device is moved to it", async () => {
  const { controller, path, state, done, lines } = setup();
  controller.setPeer(0, row(2));
  await controller.open(DEVICE);
  done();
  controller.check();
  assertEquals(done(), []);
  state.ifindex = 3;
  controller.check();
  assertEquals(done(), ["peer 0 by 3"]);
  state.ethernet = false;
  controller.check();
  assertEquals(done(), ["no peer 0"], "the programs do not know that device's headers");
  state.ethernet = true;
  controller.check();
  assertEquals(done(), ["peer 0 by 3"]);
  path.watched = "paused";
  controller.check();
  path.watched = "resumed";
  controller.check();
  assertEquals(lines, [
    "tunnet: somebody captures: packets go by the lanes",
    "tunnet: nobody captures any more",
  ]);
});

Deno.test("kernel path: held back, it is closed, and opened again afterwards only", async () => {
  const { controller, path, done } = setup();
  controller.setPeer(0, row(2));
  await controller.open(DEVICE);
  done();
  controller.hold(true);
  assertEquals([path.closed, controller.inUse, controller.held], [true, false, true]);
  await controller.open(DEVICE);
  assertEquals(controller.inUse, false, "a device that is made again changes nothing");
  controller.hold(false);
  await controller.open(DEVICE);
  assertEquals([controller.inUse, done().at(-1)], [true, "peer 0 by 2"]);
});

/** Lets what a check has begun come to its end. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("kernel path: what it lacks for a while, told once, it is opened again without", async (t) => {
  const open = () => Promise.reject(new SyscallError("bpf", ERRNO.EMFILE));
  await t.step("at the opening", async () => {
    const { controller, state, path, lines, done } = setup();
    const works = state.open;
    controller.setPeer(0, row(2));
    state.open = open;
    await controller.open(DEVICE);
    // What opens it again is not to be given up meanwhile.
    assertEquals([controller.inUse, controller.held, lines.length], [false, true, 1]);
    assertMatch(lines[0]!, /no kernel path for now: bpf: EMFILE; packets go by the lanes until/);
    for (let i = 0; i < 3; i++) {
      controller.check();
      await settled();
    }
    assertEquals([controller.inUse, lines.length], [false, 1]);
    state.open = works;
    controller.check();
    // The next one comes before it is open.
    controller.check();
    await settled();
    assertEquals([controller.inUse, controller.held, path.closed], [true, false, false]);
    assertEquals(done(), ["0 routes, default -1", "peer 0 by 2"]);
    assertMatch(lines.slice(1).join(), /^tunnet: the kernel path is back$/);
  });
  await t.step("for a peer, and again when it is opened", async () => {
    const { controller, path, lines } = setup();
    await controller.open(DEVICE);
    path.full = ERRNO.ENOMEM;
    controller.setPeer(0, row(2));
    assertEquals([controller.inUse, path.closed], [false, true]);
    for (let i = 0; i < 3; i++) {
      controller.check();
      await settled();
    }
    assertEquals([controller.inUse, lines.length], [false, 1]);
    path.full = undefined;
    controller.check();
    await settled();
    assertEquals([controller.inUse, lines.length], [true, 2]);
  });
  await t.step("and then it turns out that there can be none", async () => {
    const { controller, state, lines } = setup();
    state.open = open;
    await controller.open(DEVICE);
    state.open = () => Promise.reject(new RunError({ what: "no kernel path", why: "too old" }));
    for (let i = 0; i < 3; i++) {
      controller.check();
      await settled();
    }
    assertEquals([controller.held, lines.length], [false, 2]);
  });
  await t.step("and the device goes", async () => {
    const { controller, state } = setup();
    const works = state.open;
    state.open = open;
    await controller.open(DEVICE);
    controller.close();
    state.open = works;
    controller.check();
    await settled();
    assertEquals(controller.inUse, false);
  });
});

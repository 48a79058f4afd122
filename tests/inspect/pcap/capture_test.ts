import { assert, assertEquals, assertRejects } from "../../assert.ts";
import { RunError } from "../../../src/base/errors.ts";
import { Capture, rotatedName } from "../../../src/inspect/pcap/capture.ts";
import { LINK_TYPE, type PcapPacket } from "../../../src/inspect/pcap/pcapng.ts";
import { readCapture } from "./reader.ts";

const INTERFACES = [
  { name: "tun0", description: "", linkType: LINK_TYPE.raw, snap_bytes: 0 },
];

const packet = (i: number, size: number): PcapPacket => ({
  interface: 0,
  time: { seconds: 1000 + i, nanoseconds: i },
  direction: "in",
  bytes: new Uint8Array(size).fill(i),
  length_bytes: size,
});

async function inDirectory(use: (dir: string) => Promise<void>): Promise<void> {
  const dir = Deno.makeTempDirSync({ prefix: "tunnet-pcap-" });
  try {
    await use(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

const raise = (error: unknown) => {
  throw error;
};

Deno.test("capture: one file, for its owner's eyes, with statistics at its end", async () => {
  await inDirectory(async (dir) => {
    const path = `${dir}/a.pcapng`;
    const capture = await Capture.open({ path, files: 1 }, INTERFACES, "tunnet", raise);
    for (let i = 0; i < 100; i++) capture.packet(packet(i, 50));
    capture.lost(0, 7);
    await capture.close();
    const file = readCapture(Deno.readFileSync(path));
    assertEquals(file.packets.map(({ bytes }) => bytes[0]), [...Array(100).keys()]);
    assertEquals(file.interfaces[0]!.received, 107n);
    assertEquals(file.interfaces[0]!.dropped, 7n);
    assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
  });
});

Deno.test("capture: rotation by size keeps the newest files, each whole, no packet twice", async () => {
  await inDirectory(async (dir) => {
    const path = `${dir}/lab.pcapng`;
    const options = { path, size_bytes: 10_000, files: 4 };
    const capture = await Capture.open(options, INTERFACES, "tunnet", raise);
    for (let i = 0; i < 200; i++) capture.packet(packet(i, 968));
    await capture.close();
    const names = [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
    assertEquals(names, ["lab.1.pcapng", "lab.2.pcapng", "lab.3.pcapng", "lab.pcapng"]);
    const marks: number[] = [];
    for (const name of ["lab.3.pcapng", "lab.2.pcapng", "lab.1.pcapng", "lab.pcapng"]) {
      const bytes = Deno.readFileSync(`${dir}/${name}`);
      // The statistics at the very end come on top.
      assert(bytes.length <= 10_000 + 64, `${name} has ${bytes.length} B`);
      marks.push(...readCapture(bytes).packets.map((one) => one.bytes[0]!));
    }
    assert(marks.length >= 28, `${marks.length}`);
    assertEquals(marks, [...Array(200).keys()].slice(-marks.length));
  });
});

Deno.test("capture: one file alone starts over", async () => {
  await inDirectory(async (dir) => {
    const path = `${dir}/x`;
    const options = { path, size_bytes: 4_000, files: 1 };
    const capture = await Capture.open(options, INTERFACES, "tunnet", raise);
    for (let i = 0; i < 9; i++) capture.packet(packet(i, 968));
    await capture.close();
    assertEquals([...Deno.readDirSync(dir)].length, 1);
    assertEquals(readCapture(Deno.readFileSync(path)).packets.at(-1)!.bytes[0], 8);
  });
});

Deno.test("capture: a path that cannot be written is said in one line", async () => {
  const path = "/nonexistent/a.pcapng";
  const opened = () => Capture.open({ path, files: 1 }, INTERFACES, "tunnet", raise);
  const error = await assertRejects(opened, RunError);
  assert(error.message.startsWith(`cannot write the capture ${path} (`), error.message);
});

Deno.test("capture: a full disk is told once, and ends the capture alone", async () => {
  const failures: unknown[] = [];
  const options = { path: "/dev/full", files: 1 };
  const capture = await Capture.open(options, INTERFACES, "tunnet", (e) => failures.push(e));
  for (let i = 0; i < 1000; i++) capture.packet(packet(i, 900));
  await capture.close();
  assertEquals(failures.length, 1);
  assert(failures[0] instanceof RunError && /No space left/.test(failures[0].message));
});

for (
  const [path, name] of [
    ["a.pcapng", "a.1.pcapng"],
    ["/tmp/a.b/c", "/tmp/a.b/c.1"],
    ["/tmp/.hidden", "/tmp/.hidden.1"],
    ["x.tar.pcapng", "x.tar.1.pcapng"],
  ] as const
) {
  Deno.test(`capture: ${path} set aside is ${name}`, () => {
    assertEquals(rotatedName(path, 1), name);
  });
}

/**
 * The file for aarch64, built from the real sources and run by QEMU's user emulation. The shell
 * that its header needs would be this machine's own, so the parts are taken out as it does.
 */

import { gunzipSync } from "node:zlib";
import { build } from "../../../src/tools/build/build.ts";
import { VERSION } from "../../../src/base/version.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../assert.ts";
import { type Ran, runIfThere } from "../../../src/base/run_program.ts";

const ROOT = new URL("../../../", import.meta.url).pathname.replace(/\/$/, "");
const EMULATOR = "qemu-aarch64-static";
/** Where Debian's libc6-arm64-cross and libgcc-s1-arm64-cross put the libraries. */
const LIBRARIES = "/usr/aarch64-linux-gnu";
const CONFIG = `network: 10.244.0.0/16
nodes:
  - { name: node-a, address: 192.0.2.1, subnets: [10.244.1.0/24] }
  - { name: node-b, address: 192.0.2.2, subnets: [10.244.2.0/24] }
`;

async function missing(): Promise<string | undefined> {
  if (!await runIfThere(EMULATOR, ["--version"])) return EMULATOR;
  try {
    await Deno.stat(`${LIBRARIES}/lib/libgcc_s.so.1`);
    return undefined;
  } catch {
    return `${LIBRARIES}/lib/libgcc_s.so.1`;
  }
}

/** Takes program and runtime out of a portable file; the words that start them. */
async function unpack(file: string, directory: string): Promise<readonly string[]> {
  const bytes = await Deno.readFile(file);
  const header = new TextDecoder("latin1").decode(bytes).split("\nexit 1\n", 1)[0]!;
  const value = (name: string) => new RegExp(`\\b${name}='([^']*)'`).exec(header)![1]!;
  assertEquals(value("arch"), "aarch64");
  for (
    const [part, name] of [["main", "main.js"], ["worker", "worker.js"], ["runtime", "tunnet"]]
  ) {
    const start = Number(value(`${part}_offset`)) - 1;
    const end = start + Number(value(`${part}_bytes`));
    const packed = bytes.subarray(start, end);
    await Deno.writeFile(`${directory}/${name}`, gunzipSync(packed), { mode: 0o755 });
  }
  const flags = /exec "\$runtime" run (.*) "\$program/.exec(header)![1]!;
  const words = [...flags.matchAll(/'([^']*)'/g)].map(([, word]) => word!);
  return ["-L", LIBRARIES, `${directory}/tunnet`, "run", ...words, `${directory}/main.js`];
}

Deno.test("the file for aarch64 runs: --version, check, route, dump --help", async (t) => {
  const lacking = await missing();
  if (lacking) {
    const packages = "qemu-user-static libc6-arm64-cross libgcc-s1-arm64-cross";
    console.warn(`SKIPPED: there is no ${lacking}; apt-get install ${packages}`);
    return;
  }
  const directory = await Deno.makeTempDir({ prefix: "tunnet-aarch64-" });
  try {
    const file = `${directory}/file`;
    const said: string[] = [];
    const options = { target: "aarch64", portable: true, output: file } as const;
    const { form } = await build(ROOT, options, (line) => said.push(line));
    assertEquals([form, said], ["portable", []]);
    const words = await unpack(file, directory);
    await Deno.writeTextFile(`${directory}/tunnet.yaml`, CONFIG);
    const run = async (...args: readonly string[]): Promise<Ran> => {
      const ran = await runIfThere(EMULATOR, [...words, ...args]);
      assert(ran);
      return ran;
    };
    const config = ["-c", `${directory}/tunnet.yaml`];
    await t.step("--version", async () => {
      const { code, stdout, stderr } = await run("--version");
      assertEquals([code, stdout, stderr], [0, `tunnet ${VERSION}\n`, ""]);
    });
    await t.step("check", async () => {
      const { code, stdout } = await run("check", ...config);
      assertEquals(code, 0);
      assertMatch(stdout, /node-b .*10\.244\.2\.0\/24/);
    });
    await t.step("route", async () => {
      const { code, stdout } = await run("route", "10.244.2.9", ...config, "--node", "node-a");
      assertEquals(code, 0);
      assertStringIncludes(stdout, "node-b");
    });
    await t.step("dump --help", async () => {
      const { code, stdout } = await run("dump", "--help");
      assertEquals(code, 0);
      assertStringIncludes(stdout, "tunnet dump DEVICE");
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

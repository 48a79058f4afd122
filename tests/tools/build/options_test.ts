/** The build's command line, and what it bakes in. */

import { UsageError } from "../../../src/base/errors.ts";
import { relinkWorker, withoutMachine } from "../../../src/tools/build/bundle.ts";
import { parseBuildOptions } from "../../../src/tools/build/options.ts";
import { ENV_NAMES, SYS_NAMES } from "../../../src/tools/build/permissions.ts";
import { portableFile } from "../../../src/tools/build/portable.ts";
import { causeOf } from "../../../src/tools/build/run.ts";
import { isElfFor } from "../../../src/tools/build/runtime.ts";
import { embeddedModule } from "../../../src/tools/build/stage.ts";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "../../assert.ts";
import { run } from "./program.ts";

const ROOT = new URL("../../../", import.meta.url);

Deno.test("the build's options", () => {
  const defaults = { target: "x86_64", portable: false, output: "dist/tunnet" };
  const none = { config: undefined, runtime: undefined };
  const table: [string[], unknown][] = [
    [[], { ...none, ...defaults }],
    [["--portable"], { ...none, ...defaults, portable: true }],
    [["--target", "x86_64"], { ...none, ...defaults }],
    // What runs on this machine stays.
    [["--target", "aarch64"], {
      ...none,
      ...defaults,
      target: "aarch64",
      output: "dist/tunnet-aarch64",
    }],
    [["--target=aarch64", "--output", "x"], {
      ...none,
      ...defaults,
      target: "aarch64",
      output: "x",
    }],
    [["--config", "a b.yaml"], { ...none, ...defaults, config: "a b.yaml" }],
    [["--config=a=b"], { ...none, ...defaults, config: "a=b" }],
    [["--runtime", "deno", "--output=x"], {
      ...none,
      ...defaults,
      portable: true,
      runtime: "deno",
      output: "x",
    }],
    [["--portable", "--help"], "help"],
    [["-h"], "help"],
  ];
  for (const [args, want] of table) assertEquals(parseBuildOptions(args, "x86_64"), want);
  assertEquals(parseBuildOptions(["--config=a", "--runtime=/b"], "aarch64", "/typed/in"), {
    config: "/typed/in/a",
    runtime: "/b",
    target: "aarch64",
    portable: true,
    output: "dist/tunnet",
  });
});

Deno.test("what the build refuses", () => {
  const table: [string[], string][] = [
    [["--target", "arm"], '--target "arm": not one of x86_64, aarch64'],
    [["--target"], "--target without a value"],
    [["--config="], "--config without a value"],
    [["--config", "a", "--config", "b"], "--config twice"],
    [["--portable=yes"], '"--portable=yes": not an option of the build'],
    [["lab.yaml"], '"lab.yaml": not an option of the build'],
    [["--confg", "x"], '"--confg": not an option of the build'],
  ];
  for (const [args, want] of table) {
    const error = assertThrows(() => parseBuildOptions(args, "x86_64"), UsageError);
    assertEquals(error.message, `${want}; try: deno task build --help`);
  }
  // A machine that is no target must name one.
  assertThrows(() => parseBuildOptions([], "riscv64"), UsageError);
});

Deno.test("a config goes into the module as it is", async () => {
  const yaml = '# "quotes" `${x}` \\ \u2028 </script>\nnodes: []\n';
  const url = `data:text/javascript,${
    encodeURIComponent(
      embeddedModule(yaml).replace(": string | undefined", ""),
    )
  }`;
  assertEquals((await import(url)).EMBEDDED_CONFIG, yaml);
  assertStringIncludes(embeddedModule(undefined), "= undefined;");
});

Deno.test("a bundle does not tell where it was made", () => {
  assertEquals(
    withoutMachine(
      "// ../../home/u/.cache/deno/npm/registry.example/deno-std/1.4.0/yaml/mod.js\nx",
    ),
    "// npm: deno-std/1.4.0/yaml/mod.js\nx",
  );
  assertEquals(withoutMachine("// src/limits.ts\n// see npm/x"), "// src/limits.ts\n// see npm/x");
});

Deno.test("the Worker is found beside the bundle", () => {
  const main = (url: string) => `new URL("${url}", import.meta.url)`;
  assertEquals(relinkWorker(main("./src/cli/worker.ts")), main("./worker.js"));
  for (const text of ["", main("./src/cli/worker.ts").repeat(2)]) {
    assertThrows(() => relinkWorker(text), Error, "main.ts must name");
  }
  relinkWorker(Deno.readTextFileSync(new URL("main.ts", ROOT)));
});

Deno.test("the deepest cause of a tool's complaint", () => {
  const table: [string, string][] = [
    [
      "error: no\n\nCaused by:\n    0: a\n    1: b: c\n\nStack backtrace:\n   0: <unknown>\n",
      "b: c",
    ],
    ["npm error code ETARGET\nnpm error notarget None such.\nnpm error A log\n", "None such."],
    ["error: Module not found\n    at x\n\nStack backtrace:\n   0: y", "Module not found"],
    ["something else\n", "something else"],
    ["", ""],
  ];
  for (const [stderr, want] of table) assertEquals(causeOf(stderr), want);
});

Deno.test("a runtime is told from other files", () => {
  const elf = Deno.openSync(Deno.execPath());
  const head = new Uint8Array(64);
  elf.readSync(head);
  elf.close();
  const [own, other] = Deno.build.arch === "x86_64"
    ? ["x86_64", "aarch64"] as const
    : ["aarch64", "x86_64"] as const;
  assert(isElfFor(own, head));
  assert(!isElfFor(other, head));
  assert(!isElfFor(own, head.subarray(0, 19)));
  assert(!isElfFor(own, new TextEncoder().encode("#!/bin/sh\necho this is no program\n")));
});

Deno.test("the same parts give the same bytes", async () => {
  const parts = {
    version: "1.2.3",
    target: "x86_64",
    program: { main: "main", worker: "worker" },
    runtime: new Uint8Array(100_000).fill(7),
    header: await Deno.readTextFile(new URL("src/tools/build/header.sh", ROOT)),
  } as const;
  const first = await portableFile(parts);
  const text = new TextDecoder("latin1").decode(first);
  assertEquals(await portableFile(parts), first);
  const header = text.slice(0, text.indexOf("\nexit 1\n"));
  assertEquals(header.match(/@[A-Z0-9_]+@/g), null);
  // The offsets are where gzip's magic is.
  for (const name of ["main", "worker", "runtime"]) {
    const offset = Number(header.match(`${name}_offset='(\\d+)'`)![1]);
    assertEquals([...first.subarray(offset - 1, offset + 1)], [0x1f, 0x8b], name);
  }
});

Deno.test("a file that cannot work here says so", async () => {
  const [own, other] = Deno.build.arch === "x86_64"
    ? ["x86_64", "aarch64"] as const
    : ["aarch64", "x86_64"] as const;
  const parts = {
    version: "1.2.3",
    program: { main: "", worker: "" },
    header: await Deno.readTextFile(new URL("src/tools/build/header.sh", ROOT)),
  };
  const cases = [
    [other, "", `tunnet: error: this file is for ${other} (this machine is ${own})\n`],
    [own, "#!/bin/sh\necho no: luck >&2\nexit 1\n", "the runtime does not start from there: luck"],
    [
      own,
      "#!/nonexistent\n",
      "tunnet: error: cannot run here (this host has no glibc; musl, as on Alpine, does not do); " +
      "try: a host or a container with glibc, such as Debian\n",
    ],
  ] as const;
  for (const [target, runtime, want] of cases) {
    const directory = await Deno.makeTempDir({ prefix: "tunnet-odd-" });
    try {
      const file = await portableFile({
        ...parts,
        target,
        runtime: new TextEncoder().encode(runtime),
      });
      await Deno.writeFile(`${directory}/tunnet`, file, { mode: 0o755 });
      const env = { TUNNET_CACHE: `${directory}/cache` };
      const { code, stdout, stderr } = await run(`${directory}/tunnet`, [], { env });
      assertEquals([code, stdout, stderr.split("\n").length], [1, "", 2], stderr);
      assertStringIncludes(stderr, want);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  }
});

async function* sources(directory: URL): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if (isDirectory && name !== "build") yield* sources(new URL(`${name}/`, directory));
    else if (name.endsWith(".ts")) yield await Deno.readTextFile(new URL(name, directory));
  }
}

Deno.test("the permissions baked in cover what the sources ask for", async () => {
  const asked = { env: new Set<string>(), sys: new Set<string>() };
  let text = await Deno.readTextFile(new URL("main.ts", ROOT));
  for await (const source of sources(new URL("src/", ROOT))) text += source;
  for (const [, name] of text.matchAll(/Deno\.env\.\w+\("([^"]+)"/g)) asked.env.add(name!);
  for (const [, name] of text.matchAll(/\w+_VARIABLE = "([^"]+)"/g)) asked.env.add(name!);
  const calls =
    /Deno\.(networkInterfaces|hostname|osRelease|osUptime|uid|gid|loadavg|systemMemoryInfo)\(/g;
  for (const [, name] of text.matchAll(calls)) asked.sys.add(name!);
  const covered = (name: string) =>
    ENV_NAMES.some((allowed) =>
      allowed === name || allowed.endsWith("*") && name.startsWith(allowed.slice(0, -1))
    );
  assertEquals([...asked.env].filter((name) => !covered(name)), []);
  assertEquals([...asked.sys].filter((name) => !SYS_NAMES.some((allowed) => allowed === name)), []);
  assert(asked.env.has("TUNNET_CONFIG"));
});

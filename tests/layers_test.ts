/** The house's rules that a machine can keep: layers, purity, who reaches libc, no circles. */

import { assert, assertEquals } from "./assert.ts";

const ROOT = new URL("../", import.meta.url);

/** The layers, lowest first. A file imports, types too, from its own layer or a lower one. */
const LAYERS = [
  "ffi",
  "base",
  "net",
  "wire",
  "config",
  "forwarding",
  "offload",
  "io",
  "aead",
  "dataplane",
  "host",
  "kernel_path",
  "wireguard",
  "peers",
  "status",
  "inspect",
  "service",
  "node",
  "tools",
  "cli",
  "main.ts",
];

/** Layers without system calls, whole: bytes and values in, bytes and values out. */
const PURE_LAYERS = ["net", "wire", "forwarding", "offload", "wireguard"];
/** Folders and files that are pure in layers that are not. */
const PURE = [
  /^ffi\/(?!libc|symbols)/,
  /^src\/base\/(?!run_program)/,
  /^src\/config\/(?!load)/,
  /^src\/io\/(arena|device|features|interface_filter|run|send_results|sockaddr|socket|wait)\.ts$/,
  /^src\/aead\/(?!libcrypto|choose)/,
  /^src\/dataplane\/(?!lanes\/(main_thread|worker)_lanes)/,
  /^src\/host\/netlink\/message\.ts$/,
  /^src\/kernel_path\/(bpf\/(abi|assembler)|maps\/|programs\/|packet_sockets)/,
  /^src\/peers\/(liveness|loss|path_probe|peer|plan|registry|transport|source\/\w+)\.ts$/,
  /^src\/peers\/source\/etcd\/(?!client)/,
  /^src\/service\/lane_watchdog\.ts$/,
  /^src\/tools\/lab\/(topology|draw|hints|pings)\.ts$/,
  /^src\/status\/(model\/|format\/|http\/(?!server)|snapshots|histories)/,
  /^src\/inspect\/(decode\/|dump\/|pcap\/pcapng|trace\/(?!tracer|live))/,
  /^src\/tools\/setup\//,
  /^src\/tools\/doctor\/(?!gather\/)/,
];

/** The only layers that reach libc; base/ and config/ never do. */
const USES_FFI = ["ffi", "io", "aead", "host", "kernel_path", "peers", "service", "node", "tools"];

function sources(dir: string): string[] {
  return [...Deno.readDirSync(new URL(dir, ROOT))].flatMap(({ name, isDirectory }) =>
    isDirectory ? sources(`${dir}${name}/`) : name.endsWith(".ts") ? [`${dir}${name}`] : []
  );
}

const FILES = [...sources("ffi/"), ...sources("src/"), "main.ts"];

const text = (file: string): string => Deno.readTextFileSync(new URL(file, ROOT));

/** A file's text without comments. */
const code = (file: string): string => text(file).replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "");

/** What a file imports from this repository, types too, as paths from the root. */
function importsOf(file: string): string[] {
  return [...code(file).matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"(\.[^"]+)"/g)].map(([, path]) =>
    new URL(path!, new URL(file, ROOT)).href.slice(ROOT.href.length)
  );
}

function layerOf(file: string): string {
  const [top, room] = file.split("/");
  return top === "src" ? room! : top!;
}

const isPure = (file: string): boolean =>
  PURE_LAYERS.includes(layerOf(file)) || PURE.some((pattern) => pattern.test(file));

Deno.test("layers: every file is in one, and imports from its own or a lower one", () => {
  assert(FILES.length > 200, "the files are found");
  for (const file of FILES) {
    const layer = LAYERS.indexOf(layerOf(file));
    assert(layer >= 0, `${file} is in no layer`);
    for (const target of importsOf(file)) {
      assert(LAYERS.indexOf(layerOf(target)) <= layer, `${file} imports ${target}`);
    }
  }
});

Deno.test("layers: no circle of files", () => {
  const graph = new Map(FILES.map((file) => [file, importsOf(file)]));
  const done = new Set<string>();
  const walk = (file: string, way: readonly string[]): void => {
    assert(
      !way.includes(file),
      `a circle: ${[...way.slice(way.indexOf(file)), file].join(" -> ")}`,
    );
    if (done.has(file)) return;
    for (const target of graph.get(file) ?? []) walk(target, [...way, file]);
    done.add(file);
  };
  for (const file of FILES) walk(file, []);
});

Deno.test("layers: pure files reach neither Deno nor libc, not through what they import either", () => {
  const pure = FILES.filter(isPure);
  assert(pure.length > 100, "the patterns match");
  for (const file of pure) {
    assert(!/\bDeno\./.test(code(file)), `${file} uses Deno`);
    for (const target of importsOf(file)) {
      const onlyTypes = new RegExp(`import type [^;]*"[^"]*${target.split("/").at(-1)}"`);
      assert(
        isPure(target) || onlyTypes.test(code(file)),
        `${file} is pure and imports ${target}`,
      );
    }
  }
});

Deno.test("layers: only the layers of system calls import ffi", () => {
  for (const file of FILES) {
    if (USES_FFI.includes(layerOf(file)) || isPure(file)) continue;
    assertEquals(importsOf(file).filter((target) => target.startsWith("ffi/")), [], file);
  }
});

/** What only some files may do, by what shows it in their code. */
const RESERVED: readonly (readonly [what: string, shows: RegExp, where: RegExp])[] = [
  [
    "threads speak to each other",
    /\b(SharedArrayBuffer|Atomics|postMessage)\b/,
    /^src\/(forwarding|dataplane\/lanes)\/|^src\/node\/lane_worker|^src\/inspect\/trace\/ring|^src\/tools\/lab\/thread/,
  ],
  [
    "peers and the node have no clock and no timer of their own",
    /\b(performance\.now|Date\.now|setTimeout|setInterval)\b/,
    /^(?!src\/(peers|node)\/)|^src\/node\/lane_worker/,
  ],
  [
    "io knows bytes and addresses, but no config, peers, routes or counters",
    /"\.\.\/(config|forwarding)\//,
    /^(?!src\/io\/)/,
  ],
];

for (const [what, shows, where] of RESERVED) {
  Deno.test(`layers: ${what}`, () => {
    assert(FILES.some((file) => where.test(file)), "the pattern matches");
    assertEquals(FILES.filter((file) => !where.test(file) && shows.test(code(file))), []);
  });
}

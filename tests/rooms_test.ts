/** Which room may know of what: imports run one way, and pure code stays pure. */

import { assert, assertEquals } from "./assert.ts";

const ROOT = new URL("../", import.meta.url);

function sources(dir: string): string[] {
  return [...Deno.readDirSync(new URL(dir, ROOT))].flatMap(({ name, isDirectory }) =>
    isDirectory ? sources(`${dir}${name}/`) : name.endsWith(".ts") ? [`${dir}${name}`] : []
  );
}

const FILES = sources("src/").concat(sources("ffi/"), "main.ts");

/** Paths of what a file imports, seen from the root. */
function importsOf(file: string): string[] {
  const text = Deno.readTextFileSync(new URL(file, ROOT));
  return [...text.matchAll(/from "(\.[^"]+)"/g)].map(([, path]) =>
    new URL(path!, new URL(file, ROOT)).href.slice(ROOT.href.length)
  );
}

/** A file's text without comments and strings' contents that could mislead. */
function code(file: string): string {
  return Deno.readTextFileSync(new URL(file, ROOT)).replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "");
}

/** Rooms and files without system calls: bytes and values in, bytes and values out. */
const PURE = [
  /^src\/net\//,
  /^src\/route\//,
  /^src\/switch\//,
  /^src\/config\/(?!load)/,
  /^src\/peers\/(hello|loss|peers|pick)\.ts$/,
  /^src\/tun\/(split|merge|vnet|device)\.ts$/,
  /^src\/udp\/socket\.ts$/,
  /^src\/suggest\.ts$/,
  /^src\/engine\/(burst|counters|egress|fib|icmp_answers|inbound|outbound|lane|lane_protocol|observer|plan_lanes|rate_limit)\.ts$/,
  /^src\/engine\/(features|lanes)\.ts$/,
  /^src\/engine\/(gate|packet_gate|frame_gate|frame_outbound|directions)\.ts$/,
  /^src\/node\/(difference|plan|roaming|roster)\.ts$/,
  /^src\/service\/pulse\.ts$/,
  /^src\/link\/netlink\.ts$/,
  /^src\/kernel\/(abi|assembler|counting|headers|inner_packet|map_mirror|packet_sockets|records|tables|tally|way_in|way_out)\.ts$/,
  /^src\/lab\/(topology|draw)\.ts$/,
  /^src\/setup\//,
  /^src\/decode\//,
  /^src\/trace\/(?!tracer)/,
  /^src\/dump\//,
  /^src\/pcap\/pcapng\.ts$/,
  /^src\/status\/(format|handler|metrics|page|page_script|page_style|rates|schema|snapshot|text|types)\.ts$/,
  /^src\/doctor\/(?!gather\/)/,
  /^src\/(errors|limits|log|output_queue|version)\.ts$/,
];

/** The only places that reach libc. */
const USES_FFI = [
  /^ffi\//,
  /^src\/tun\/linux\.ts$/,
  /^src\/udp\/(batch|buffers|datagram|path|probe|send_queue|sockaddr)\.ts$/,
  /^src\/link\//,
  /^src\/engine\/(async_wait|clock|wait)\.ts$/,
  /^src\/node\/(engine|forwarding|kernel_side)\.ts$/,
  /^src\/kernel\/(bpf|helper|kernel_path|resources)\.ts$/,
  /^src\/service\/(journal|notify|privileges)\.ts$/,
  /^src\/doctor\/gather\/(host|sockets)\.ts$/,
];

Deno.test("rooms: pure code knows neither Deno nor libc, not even through what it imports", () => {
  const pure = FILES.filter((file) => PURE.some((room) => room.test(file)));
  assert(pure.length > 30, "the patterns match");
  for (const file of pure) {
    assert(!/\bDeno\./.test(code(file)), `${file} uses Deno`);
    const types = Deno.readTextFileSync(new URL(file, ROOT)).matchAll(
      /import type [^]*?from "([^"]+)"/g,
    );
    const onlyTypes = new Set([...types].map(([, path]) => path));
    for (const target of importsOf(file)) {
      if ([...onlyTypes].some((path) => target.endsWith(path!.replace(/^(\.\.?\/)+/, "")))) {
        continue;
      }
      const layout = target === "ffi/layout.ts" && file === "src/link/netlink.ts";
      assert(
        layout || PURE.some((room) => room.test(target)),
        `${file} imports ${target}`,
      );
    }
  }
});

Deno.test("rooms: only the rooms of system calls import ffi", () => {
  for (const file of FILES) {
    if (USES_FFI.some((room) => room.test(file))) continue;
    const ffi = importsOf(file).filter((target) => target.startsWith("ffi/"));
    assertEquals(ffi, [], file);
  }
});

Deno.test("rooms: ffi imports nothing from src, and nothing imports the commands but main", () => {
  for (const file of FILES) {
    for (const target of importsOf(file)) {
      if (file.startsWith("ffi/")) assert(target.startsWith("ffi/"), `${file} imports ${target}`);
      if (target.startsWith("src/cli/")) {
        assert(/^(main\.ts|src\/cli\/|src\/build\/)/.test(file), `${file} imports ${target}`);
      }
    }
  }
});

/**
 * What the tests need of the host beside Deno, and its installation: `deno task test` does it
 * first, `.ci/run` as well (`deno run -A tests/setup.ts`). On Debian and Ubuntu, as root, packages
 * that are missing are installed; TUNNET_TEST_INSTALL=0 leaves them out, and what needs them too.
 */

const POLICY = "/usr/sbin/policy-rc.d";

/** A program that tests start. */
export interface Need {
  /** Its name, or the path of a file. */
  readonly program: string;
  /** Debian's package. */
  readonly package: string;
  /** Files and folders of the tests that start it. */
  readonly tests: readonly string[];
  /** Whether these tests look for it themselves, and skip what needs it. */
  readonly looked?: true;
}

const NETWORK_TESTS = [
  "tests/e2e/",
  "tests/host/",
  "tests/io/tun_linux_test.ts",
  "tests/kernel_path/",
  "tests/peers/wireguard_go_test.ts",
  "tests/tools/lab/build_test.ts",
];
const ETCD_TESTS = [
  "tests/e2e/",
  "tests/peers/source/etcd/client_test.ts",
  "tests/node/etcd_access_test.ts",
];
const CAPTURE_TESTS = ["tests/e2e/", "tests/inspect/decode/capture_test.ts"];

/** Everything that tests start and a bare Debian 12 lacks. */
export const NEEDS: readonly Need[] = [
  { program: "ip", package: "iproute2", tests: NETWORK_TESTS },
  { program: "ping", package: "iputils-ping", tests: CAPTURE_TESTS },
  { program: "sysctl", package: "procps", tests: [...NETWORK_TESTS, "tests/io/"] },
  { program: "setpriv", package: "util-linux", tests: NETWORK_TESTS },
  { program: "iperf3", package: "iperf3", tests: ["tests/e2e/"] },
  { program: "socat", package: "socat", tests: CAPTURE_TESTS },
  { program: "tcpdump", package: "tcpdump", tests: ["tests/e2e/"] },
  { program: "script", package: "bsdutils", tests: ["tests/e2e/"] },
  { program: "strace", package: "strace", tests: ["tests/e2e/engines_test.ts"] },
  { program: "gcc", package: "gcc", tests: ["tests/e2e/seed_test.ts"] },
  // The C library's headers, for the tutorial's program.
  { program: "/usr/include/stdio.h", package: "libc6-dev", tests: ["tests/e2e/seed_test.ts"] },
  {
    program: "iptables",
    package: "iptables",
    tests: ["tests/e2e/", "tests/tools/setup/"],
  },
  { program: "nft", package: "nftables", tests: ["tests/e2e/"] },
  { program: "tshark", package: "tshark", tests: CAPTURE_TESTS },
  { program: "ethtool", package: "ethtool", tests: CAPTURE_TESTS },
  { program: "curl", package: "curl", tests: ["tests/e2e/"] },
  { program: "busybox", package: "busybox-static", tests: ["tests/e2e/tap_test.ts"] },
  { program: "dnsmasq", package: "dnsmasq-base", tests: ["tests/e2e/tap_test.ts"] },
  { program: "shellcheck", package: "shellcheck", tests: ["tests/tools/setup/"] },
  { program: "etcd", package: "etcd-server", tests: ETCD_TESTS },
  { program: "openssl", package: "openssl", tests: ["tests/node/etcd_access_test.ts"] },
  { program: "gzip", package: "gzip", tests: ["tests/tools/build/"] },
  {
    program: "systemd-analyze",
    package: "systemd",
    tests: ["tests/tools/setup/systemd_test.ts"],
    looked: true,
  },
  {
    program: "dockerd",
    package: "docker.io",
    tests: ["tests/e2e/docker_test.ts"],
    looked: true,
  },
  {
    program: "chromium",
    package: "chromium",
    tests: ["tests/e2e/page_test.ts"],
    looked: true,
  },
  {
    program: "promtool",
    package: "prometheus",
    tests: ["tests/tools/setup/prometheus_test.ts"],
    looked: true,
  },
  {
    program: "/usr/share/gocode/src/github.com/flynn/noise/vectors.txt",
    package: "golang-github-flynn-noise-dev",
    tests: ["tests/wireguard/noise_test.ts"],
    looked: true,
  },
  ...["zsh", "fish", "groff"].map((program) => ({
    program,
    package: program,
    tests: ["tests/cli/topics_test.ts"],
    looked: true,
  } as const)),
  ...[["wireguard-go", "wireguard-go"], ["wg", "wireguard-tools"]].map(([program, name]) => ({
    program: program!,
    package: name!,
    tests: ["tests/peers/wireguard_go_test.ts", "tests/e2e/wireguard_test.ts"],
    looked: true,
  } as const)),
  ...[
    ["qemu-aarch64-static", "qemu-user-static"],
    ["/usr/aarch64-linux-gnu/lib/libc.so.6", "libc6-arm64-cross"],
    ["/usr/aarch64-linux-gnu/lib/libgcc_s.so.1", "libgcc-s1-arm64-cross"],
  ].map(([program, name]) => ({
    program: program!,
    package: name!,
    tests: ["tests/tools/build/aarch64_test.ts"],
    looked: true,
  } as const)),
];

/** Whether one path is the other, or a folder around it. */
function overlap(one: string, other: string): boolean {
  const [short, long] = one.length < other.length ? [one, other] : [other, one];
  return long === short || long.startsWith(short.endsWith("/") ? short : `${short}/`);
}

/** What is missing for tests in `files`; all tests if there are none. Pure but for `isThere`. */
export function missingFor(
  files: readonly string[],
  isThere: (program: string) => boolean,
): readonly Need[] {
  const wanted = files.map((file) => file.replace(/^\.\//, ""));
  return NEEDS.filter(({ program, tests }) =>
    (wanted.length === 0 || tests.some((test) => wanted.some((file) => overlap(test, file)))) &&
    !isThere(program)
  );
}

/** The packages of needs, each once. */
export function packagesOf(needs: readonly Need[]): readonly string[] {
  return [...new Set(needs.map((need) => need.package))];
}

/** The tests to leave out for lack of needs, and a line for each need. */
export function leftOut(needs: readonly Need[]): { paths: readonly string[]; lines: string[] } {
  return {
    paths: [...new Set(needs.flatMap(({ tests, looked }) => looked ? [] : tests))],
    lines: needs.map(({ program, package: name, tests }) =>
      `SKIPPED: ${tests.join(", ")}: there is no ${program} (${name})`
    ),
  };
}

/** Whether a program is on the path, or a file exists. */
function isThere(program: string): boolean {
  const directories = program.startsWith("/")
    ? [""]
    : `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin`.split(":").map((one) => `${one}/`);
  return directories.some((directory) => {
    try {
      return Deno.statSync(directory + program).isFile;
    } catch {
      return false;
    }
  });
}

/** Why nothing is installed; undefined if it can be. */
function whyNot(): string | undefined {
  if (Deno.env.get("TUNNET_TEST_INSTALL") === "0") return "TUNNET_TEST_INSTALL=0";
  if (Deno.uid() !== 0) return "that takes root";
  return isThere("apt-get") ? undefined : "there is no apt-get on this host";
}

async function apt(...words: readonly string[]): Promise<boolean> {
  const { success } = await new Deno.Command("apt-get", {
    args: ["-qq", ...words],
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
    stdout: "null",
  }).output();
  return success;
}

/** Runs `body` while packages start no services: nothing here needs those of Docker and others. */
async function withoutServices(body: () => Promise<void>): Promise<void> {
  try {
    Deno.writeTextFileSync(POLICY, "#!/bin/sh\nexit 101\n", { createNew: true, mode: 0o755 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    // The host has its own.
    return await body();
  }
  try {
    await body();
  } finally {
    Deno.removeSync(POLICY);
  }
}

/**
 * Installs what tests in `files` (all, if there are none) lack, as far as that is possible, and
 * says so. The tests that have to be left out.
 */
export async function setUp(files: readonly string[]): Promise<readonly string[]> {
  const needs = missingFor(files, isThere);
  if (needs.length === 0) return [];
  const packages = packagesOf(needs).join(" ");
  const why = whyNot();
  if (why === undefined) {
    console.log(`== installing what the tests need and this host lacks: ${packages}`);
    console.log("   (TUNNET_TEST_INSTALL=0 leaves it out; it takes a minute or two)");
    await withoutServices(async () => {
      await apt("update");
      if (await apt("install", "-y", "--no-install-recommends", ...packagesOf(needs))) return;
      console.log("== apt-get has failed; what it says is above");
    });
  } else {
    console.log(`== this host lacks what tests need, and nothing is installed (${why}); by hand:`);
    console.log(`   apt-get install --no-install-recommends ${packages}`);
  }
  const { paths, lines } = leftOut(missingFor(files, isThere));
  for (const line of lines) console.log(line);
  return paths;
}

if (import.meta.main) await setUp(Deno.args);

import { keptHints, nextHints, type Started, typedWords } from "../../../src/tools/lab/hints.ts";
import { assertEquals, assertNotMatch, assertStringIncludes } from "../../assert.ts";
import { planOf } from "./plan.ts";

const STARTED: Started = {
  executable: undefined,
  deno: "/usr/bin/deno",
  denoVersion: "1.2.3",
  directory: "/home/u/tunnet",
  sudo: false,
};

Deno.test("a command is worded as this program was started", () => {
  const npx = "/root/.npm/_npx/0a1b/node_modules/@deno/linux-x64-glibc/deno";
  const table: [Partial<Started>, tunnet: string, lab: string][] = [
    [{}, "deno run -A main.ts", "deno task lab"],
    [{ deno: npx }, "npx -y deno@1.2.3 run -A main.ts", "npx -y deno@1.2.3 task lab"],
    [{ sudo: true }, "sudo deno run -A main.ts", "sudo deno task lab"],
    [{ executable: "/home/u/tunnet/dist/tunnet" }, "./dist/tunnet", "./dist/tunnet lab"],
    [{ executable: "/usr/local/bin/tunnet", sudo: true }, "sudo tunnet", "sudo tunnet lab"],
    [{ executable: "/bin/tunnet" }, "tunnet", "tunnet lab"],
    [{ executable: "/opt/tunnet" }, "/opt/tunnet", "/opt/tunnet lab"],
  ];
  for (const [parts, tunnet, lab] of table) {
    assertEquals(typedWords({ ...STARTED, ...parts }), { tunnet, lab });
  }
});

Deno.test("what to try next, after a lab that is gone and one that is kept", () => {
  const typed = { tunnet: "./t", lab: "./t lab" };
  for (const command of ["./t lab --keep", "./t lab --http", "./t init"]) {
    assertStringIncludes(nextHints(typed), command);
  }
  const kept = { plan: planOf({}, "lab"), socket: "/s", config: "/c.yaml", page: undefined };
  const text = keptHints(kept, typed);
  for (
    const command of [
      "./t status --watch --socket /s\n",
      "nsenter --net=/run/netns/tunnet-lab-node-a ./t doctor -c /c.yaml --node node-a\n",
      "nsenter --net=/run/netns/tunnet-lab-pod-a bash\n",
      "nsenter --net=/run/netns/tunnet-lab-pod-a ping 172.2.0.2\n",
      "./t lab --down\n",
    ]
  ) assertStringIncludes(text, command);
  assertNotMatch(text, /http/);
  assertStringIncludes(
    keptHints({ ...kept, page: "http://x/" }, typed),
    "node-a        http://x/\n",
  );
});

/** What to try after a lab, as commands to type. Pure. */

import type { LabPlan } from "./topology.ts";

/** How the user starts this program. */
export interface Typed {
  /** The words before a command: `./tunnet`. */
  readonly tunnet: string;
  /** The words before the lab's options: `./tunnet lab`. */
  readonly lab: string;
}

/** How the program was started. */
export interface Started {
  /** Path of the executable; undefined when it runs from its sources. */
  readonly executable: string | undefined;
  /** Path of Deno, for the sources. */
  readonly deno: string;
  readonly denoVersion: string;
  readonly directory: string;
  readonly sudo: boolean;
}

/** Directories whose programs need no path. */
const ON_THE_PATH = /^(\/usr(\/local)?)?\/s?bin$/;

/** The words that the user has to type to start the program once more. */
export function typedWords({ executable, deno, denoVersion, directory, sudo }: Started): Typed {
  const before = sudo ? "sudo " : "";
  if (executable === undefined) {
    const runner = before + (deno.includes("/_npx/") ? `npx -y deno@${denoVersion}` : "deno");
    return { tunnet: `${runner} run -A main.ts`, lab: `${runner} task lab` };
  }
  const slash = executable.lastIndexOf("/");
  const [folder, name] = [executable.slice(0, slash), executable.slice(slash + 1)];
  const short = ON_THE_PATH.test(folder)
    ? name
    : executable.startsWith(`${directory}/`)
    ? `./${executable.slice(directory.length + 1)}`
    : executable;
  return { tunnet: before + short, lab: `${before}${short} lab` };
}

/** Commands with what they do, below each other. */
function list(entries: readonly (readonly [what: string, command: string])[]): string {
  const width = Math.max(...entries.map(([what]) => what.length)) + 2;
  return entries.map(([what, command]) => `  ${what.padEnd(width)}${command}\n`).join("");
}

/** After a lab that is gone. */
export function nextHints({ tunnet, lab }: Typed): string {
  return "\nTo try next:\n" + list([
    ["leave it up, to look around", `${lab} --keep`],
    ["the same, with node-a's page", `${lab} --http`],
    ["more nodes; IPv6; one Ethernet", `${lab} --nodes 5 --ipv6 --mode tap`],
    ["hosts of your own: a config", `${tunnet} init`],
  ]);
}

/** What a kept lab can be looked at with. */
export interface KeptLab {
  readonly plan: LabPlan;
  /** Path of the first node's status socket. */
  readonly socket: string;
  /** Path of the nodes' config. */
  readonly config: string;
  /** Where the page of the first node is, if anywhere. */
  readonly page: string | undefined;
}

/** After a lab that is kept. */
export function keptHints({ plan, socket, config, page }: KeptLab, { tunnet, lab }: Typed): string {
  const [first, second] = plan.nodes;
  const { name, namespace, podNamespace } = first!;
  const inside = (where: string) => `nsenter --net=/run/netns/${where}`;
  const target = second!.podAddresses[0];
  return `\nThe lab is up. To look around:\n` + list([
    ...(page === undefined ? [] : [[`page of ${name}`, page] as const]),
    [`status of ${name}`, `${tunnet} status --watch --socket ${socket}`],
    [`doctor on ${name}`, `${inside(namespace)} ${tunnet} doctor -c ${config} --node ${name}`],
    ["a shell in its pod", `${inside(podNamespace)} bash`],
    ...(target === undefined
      ? []
      : [["ping from pod to pod", `${inside(podNamespace)} ping ${target}`] as const]),
    ["end the lab", `${lab} --down`],
  ]);
}

/** Reads the host's packet filters by the tools that wrote them. */

import { runIfThere } from "../../../base/run_program.ts";
import { parseIptables } from "../firewall/iptables.ts";
import type { Chain, Firewall, Tool } from "../firewall/model.ts";
import { parseNft } from "../firewall/nft.ts";

/** Each way to list iptables rules: the program, its IP version, and the tool that changes them. */
const SAVES: readonly (readonly [program: string, version: 4 | 6, tool: Tool])[] = [
  ["iptables-nft-save", 4, "iptables"],
  ["ip6tables-nft-save", 6, "ip6tables"],
  ["iptables-legacy-save", 4, "iptables-legacy"],
  ["ip6tables-legacy-save", 6, "ip6tables-legacy"],
];

/** firewalld or ufw, if it keeps this host's rules now. */
async function findManager(): Promise<Firewall["manager"]> {
  if ((await runIfThere("firewall-cmd", ["--state"]))?.code === 0) return "firewalld";
  const ufw = await runIfThere("ufw", ["status"]);
  return ufw?.stdout.startsWith("Status: active") ? "ufw" : undefined;
}

function rename(chain: Chain, nftIsDefault: boolean): Chain {
  if (nftIsDefault || chain.tool === "nft") return chain;
  const legacy = chain.tool.endsWith("-legacy");
  const name = legacy ? chain.tool.replace("-legacy", "") : `${chain.tool}-nft`;
  return { ...chain, tool: name as Tool };
}

/** All rules of this network namespace, and what could not be read of them. */
export async function readFirewall(): Promise<Firewall> {
  const chains: Chain[] = [];
  const unread: string[] = [];
  const shown = new Set<string>();
  let tools = 0;
  for (const [program, version, tool] of SAVES) {
    const ran = await runIfThere(program, []);
    if (!ran) continue;
    tools++;
    if (ran.code !== 0) {
      unread.push(`${program}: ${ran.stderr.trim().split("\n")[0]}`);
      continue;
    }
    const found = parseIptables(ran.stdout, version, tool);
    chains.push(...found);
    // nft lists these tables too, but shows less of them.
    if (program.includes("-nft-")) {
      for (const { family, table } of found) shown.add(`${family} ${table}`);
    }
  }
  const nft = await runIfThere("nft", ["-j", "list", "ruleset"]);
  if (nft) {
    tools++;
    const found = nft.code === 0 ? parseNft(nft.stdout, shown) : undefined;
    if (found) chains.push(...found);
    else unread.push(`nft: ${nft.stderr.trim().split("\n")[0] || "its JSON cannot be read"}`);
  }
  if (tools === 0) unread.push("neither nft nor iptables is on this host");
  const iptables = await runIfThere("iptables", ["--version"]);
  // The tool's name where the alternatives make plain `iptables` the other one.
  const nftIsDefault = !iptables?.stdout.includes("legacy");
  return {
    chains: chains.map((chain) => rename(chain, nftIsDefault)),
    tools: [...(iptables ? ["iptables" as const] : []), ...(nft ? ["nft" as const] : [])],
    manager: await findManager(),
    unread,
  };
}

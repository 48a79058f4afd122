/** Whether tunnet runs on this host, and will after a reboot. Pure. */

import { SERVICE } from "../../setup/systemd.ts";
import { shellWord } from "../../setup/script.ts";
import { type Check, checksOf, type Finding } from "../check.ts";
import type { Facts } from "../facts.ts";
import { isRunning } from "../view.ts";

/** The words that choose this config and node again. */
function chosen({ source, self }: Facts): string {
  if (source === "embedded") return ` --node ${self.name}`;
  return ` -c ${shellWord(source)} --node ${self.name}`;
}

function running(facts: Facts): Finding[] {
  const { service, source } = facts;
  if (isRunning(facts)) {
    if (service.unit !== "disabled") return [];
    return [{
      status: "warn",
      why: "it runs, but its service is not enabled: after a reboot it does not",
      fix: "systemctl enable tunnet",
    }];
  }
  if (service.unit === "enabled") {
    return [{
      why: "its service is enabled, and does not run; journalctl -u tunnet tells why",
      fix: "systemctl restart tunnet",
    }];
  }
  if (service.unit === "disabled") {
    return [{
      why: "it does not run, and its service is not enabled",
      fix: "systemctl enable --now tunnet",
    }];
  }
  const inline = source === "command line";
  return [{
    status: "warn",
    why: "no node of this config runs here, and no service starts one with the host",
    fix: inline ? "tunnet --peer" : `tunnet --peer${chosen(facts)}`,
    lasting: inline ? undefined : `tunnet setup --systemd${chosen(facts)} | sh`,
  }];
}

/** What a reboot takes away, on a host whose service starts a node again. */
function prepared({ service, links }: Facts): Finding[] {
  if (service.unit !== "enabled" || service.prepare) return [];
  const bridge = links.find(({ name }) => name === "tunnet-br");
  if (!bridge) return [];
  return [{
    status: "warn",
    why: `firewall rules of tunnet setup end with a reboot: there is no ${SERVICE.prepare}`,
    fix: `install -D -m 0755 prepare.sh ${SERVICE.prepare} # the script that was run here`,
  }];
}

/** The checks of this family. */
export function serviceChecks(facts: Facts): readonly Check[] {
  return [
    ...checksOf("running", "tunnet on this host", "it runs", running(facts)),
    ...(facts.service.unit === "enabled"
      ? checksOf("prepare", "what a reboot takes away", "the service puts it back", prepared(facts))
      : []),
  ];
}

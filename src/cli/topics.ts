/**
 * The reference inside the executable: `tunnet help TOPIC`. Each text is beside the code that it
 * tells of, in TOPIC.md. Pure.
 */

import CONFIG from "../config/config.md" with { type: "text" };
import ENGINE from "../dataplane/lanes/engine.md" with { type: "text" };
import DROPS from "../forwarding/drops.md" with { type: "text" };
import HOSTS from "../host/hosts.md" with { type: "text" };
import MTU from "../io/mtu.md" with { type: "text" };
import KERNEL_PATH from "../kernel_path/kernel-path.md" with { type: "text" };
import ETCD from "../peers/source/etcd/etcd.md" with { type: "text" };
import SECURITY from "../peers/security.md" with { type: "text" };
import METRICS from "../status/metrics.md" with { type: "text" };
import WIRE from "../wire/wire.md" with { type: "text" };
import FILES from "./files.md" with { type: "text" };

const TEXTS = {
  config: CONFIG,
  engine: ENGINE,
  "kernel-path": KERNEL_PATH,
  mtu: MTU,
  drops: DROPS,
  wire: WIRE,
  metrics: METRICS,
  security: SECURITY,
  etcd: ETCD,
  hosts: HOSTS,
  files: FILES,
};

/** The name of a topic. */
export type Topic = keyof typeof TEXTS;
/** Every topic, in the order of the help. */
export const TOPICS = Object.keys(TEXTS) as readonly Topic[];

/** Whether there is a topic of this name. */
export const isTopic = (word: string): word is Topic => Object.hasOwn(TEXTS, word);

/** The text of a topic; ends with a newline. */
export const topicText = (topic: Topic): string => TEXTS[topic];

/** What a topic is about: the heading of its text. */
export const topicSummary = (topic: Topic): string => /^# (.*)\n/.exec(TEXTS[topic])![1]!;

/** Plans of the standard lab, for tests. */

import { parseConfig } from "../../../src/config/parse.ts";
import { type LabPlan, type LabShape, labYaml, planLab } from "../../../src/tools/lab/topology.ts";

/** The plan of a lab of this shape. */
export function planOf(shape: Partial<LabShape> = {}, id = "t"): LabPlan {
  const full = { nodes: 2, ipv6: false, underlay6: false, ...shape };
  return planLab(parseConfig(labYaml(full), "lab").config, id);
}

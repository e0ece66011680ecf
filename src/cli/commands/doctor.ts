import { doctor } from "../../operations/doctor.ts";
import type { Command } from "../command.ts";

const EXIT_FINDINGS = 1;

export const doctorCommand: Command = {
  name: "doctor",
  summary: "Looks for what would go wrong in an emergency, and says how to put it right.",
  examples: ["lastgood doctor"],

  async run(_args, { withSystem, run }) {
    const findings = await withSystem((system) => doctor(system, run));
    const isBad = findings.some(({ severity }) => severity === "error");
    return {
      value: { ok: !isBad, findings },
      exit: isBad ? EXIT_FINDINGS : 0,
      lines:
        findings.length === 0
          ? ["Nothing found."]
          : findings.flatMap(({ severity, problem, hint }) => [
              `${severity}: ${problem}`,
              `  ${hint}`,
            ]),
    };
  },
};

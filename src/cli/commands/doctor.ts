import { doctor, type Finding, repairAll } from "../../operations/doctor.ts";
import { type Command, isSet } from "../command.ts";

const EXIT_FINDINGS = 1;

export const doctorCommand: Command = {
  name: "doctor",
  summary: "Looks for what would go wrong in an emergency, and says how to put it right.",
  options: [["--repair", "put right what can be without losing anything"]],
  examples: ["lastgood doctor", "lastgood doctor --repair"],

  async run(args, { withSystem, run }) {
    return await withSystem(async (system) => {
      let findings = await doctor(system, run);
      let repaired: { done: string[]; failed: string[] } = { done: [], failed: [] };
      if (isSet(args, "repair")) {
        repaired = await repairAll(findings, run);
        findings = await doctor(system, run);
      }
      const isBad = findings.some(({ severity }) => severity === "error");
      const shown = findings.map(({ severity, problem, hint }) => ({ severity, problem, hint }));
      return {
        value: { ok: !isBad, findings: shown, repaired },
        exit: isBad ? EXIT_FINDINGS : 0,
        lines: [
          ...repaired.done.map((line) => `repaired: ${line}`),
          ...repaired.failed.map((line) => `not repaired: ${line}`),
          ...describe(findings),
        ],
      };
    });
  },
};

function describe(findings: readonly Finding[]): string[] {
  if (findings.length === 0) return ["Nothing found."];
  return findings.flatMap(({ severity, problem, hint }) => [
    `${severity}: ${problem}`,
    `  ${hint}`,
  ]);
}

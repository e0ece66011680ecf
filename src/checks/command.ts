import { AppError } from "../base/errors.ts";
import { type Command, exec } from "../base/exec.ts";
import type { Check } from "./check.ts";

/** Good when the program ends with 0; unknown when it cannot be run. */
export function commandCheck(command: Command, folder: string, timeoutMs: number): Check {
  return {
    async ask(run) {
      try {
        const { exitCode, stdout, stderr } = await exec(command, { timeoutMs, folder }, run);
        const said = (stderr || stdout).trim().split("\n").at(-1) ?? "";
        if (exitCode === 0) return { verdict: "good", detail: said };
        return { verdict: "bad", detail: `exit code ${exitCode}: ${said}` };
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        return { verdict: "unknown", detail: error.message };
      }
    },
  };
}

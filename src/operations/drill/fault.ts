import { AppError, type ErrorCode, hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { sampleChecks } from "../acts/healthy.ts";
import type { System } from "../system.ts";
import type { Fault } from "./evidence.ts";
import type { Tried } from "./inside.ts";

/** What went wrong in a drill, and whose fault it is. */
export class DrillFailure extends Error {
  readonly fault: Fault;

  constructor(fault: Fault, problem: string) {
    super(problem);
    this.fault = fault;
  }
}

/** Of what was thrown while the repository was read. What nobody expected is a bug, and thrown. */
export function failureOf(error: unknown): DrillFailure {
  if (error instanceof DrillFailure) return error;
  const isBackup = (["CORRUPT", "NOT_FOUND", "POINT_INVALID"] satisfies ErrorCode[]).some((code) =>
    hasCode(error, code),
  );
  if (!(error instanceof AppError)) throw error;
  return new DrillFailure(isBackup ? "backup" : "surroundings", error.message);
}

/** What a program says when something around it is missing, and not in its data. */
const AROUND =
  /EROFS|read-only file system|ENETUNREACH|network is unreachable|EADDR|ENOTFOUND|EAI_AGAIN|EACCES|permission denied|ENOENT|no such file|not found|not there|does not exist|missing|cannot (find|open)/i;

/**
 * What lacks something around it says so; what is bad now as well is not the point's fault. Who ran, and
 * whose checks are good for what is live, has the wrong data. Of who did not even start nobody can tell.
 */
export async function faultOf(
  system: System,
  { at, checks, lastWords, problem }: Tried,
  run: Run,
): Promise<Fault> {
  const wrong = checks.filter(({ need, verdict }) => need === "required" && verdict !== "good");
  const said = [problem ?? "", ...(at === "start" ? lastWords : wrong.map(({ detail }) => detail))];
  if (said.some((line) => AROUND.test(line))) return "surroundings";
  if (at === "start") return "unclear";
  const live = await sampleChecks(system.components, run);
  const isEverywhere =
    wrong.length > 0 &&
    wrong.every(({ component, check }) => live[`${component}/${check}`] !== "good");
  return isEverywhere ? "surroundings" : "backup";
}

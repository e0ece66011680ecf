import type { Run } from "../base/events.ts";
import type { CheckResult } from "../checks/check.ts";
import { chosen } from "./stop-start.ts";
import type { System } from "./system.ts";

export type Health = {
  /** Whether every required check is good. */
  readonly ok: boolean;
  readonly checks: readonly (CheckResult & {
    readonly component: string;
    readonly check: string;
    readonly need: "required" | "wanted" | "shadow";
  })[];
};

/** Asks every check once, and whether each component runs. NOT_FOUND. */
export async function health(system: System, named: string | undefined, run: Run): Promise<Health> {
  const checks: Health["checks"][number][] = [];
  for (const component of chosen(system, named)) {
    const { name, runner } = component;
    if (runner !== undefined) {
      const common = { component: name, check: "runs", need: "required" } as const;
      checks.push({ ...common, ...(await livesNow(runner.isAlive(run), run)) });
    }
    for (const { name: check, check: question, need } of component.checks) {
      checks.push({ component: name, check, need, ...(await question.ask(run)) });
    }
  }
  const ok = checks.every(({ need, verdict }) => need !== "required" || verdict === "good");
  return { ok: ok && checks.length > 0, checks };
}

export async function livesNow(asked: Promise<boolean>, run: Run): Promise<CheckResult> {
  try {
    return (await asked)
      ? { verdict: "good", detail: "" }
      : { verdict: "bad", detail: "it does not run" };
  } catch (error) {
    run.signal.throwIfAborted();
    return { verdict: "unknown", detail: (error as Error).message };
  }
}

import { setTimeout as sleep } from "node:timers/promises";
import type { Run } from "../../base/events.ts";
import type { CheckResult } from "../../checks/check.ts";
import type { Component } from "../components.ts";
import { livesNow } from "../health.ts";
import { type Incident, Incidents } from "../incidents/incidents.ts";
import { noticeOf } from "../incidents/digest.ts";
import { queueNotice } from "../notices/notice.ts";
import { isUnderWay } from "../operation-lock.ts";
import { newOperationId } from "../record.ts";
import type { System } from "../system.ts";
import { HealthHistory } from "./health-history.ts";

/** What one look at one check found. */
export type Look = CheckResult & {
  readonly component: string;
  readonly check: string;
  readonly need: "required" | "wanted" | "shadow";
};

/** What was bad may have been a moment; before anybody is told it is looked at again. */
const AGAIN_MS = 20_000;
/** Looks that are further apart than so many intervals say nothing of the time between them. */
const GAP = 3;

/**
 * Asks the checks every so often until it is cancelled, keeps what they said, and opens an incident where
 * a required one is bad twice in a row. `onLooks` hears of each look.
 */
export async function watchHealth(
  system: System,
  onLooks: (looks: readonly Look[]) => void,
  run: Run,
): Promise<void> {
  const { every } = system.config.health;
  while (!run.signal.aborted) {
    try {
      await lookOnce(system, AGAIN_MS, onLooks, run);
    } catch (error) {
      if (run.signal.aborted) return;
      run.report({ type: "warning", message: `health: ${(error as Error).message}` });
    }
    await sleep(every, undefined, { signal: run.signal }).catch(() => {});
  }
}

/** One look, and another one after `againMs` at what was bad. */
export async function lookOnce(
  system: System,
  againMs: number,
  onLooks: (looks: readonly Look[]) => void,
  run: Run,
): Promise<void> {
  const { every, keep } = system.config.health;
  const now = system.host.clock.now();
  const first = await lookAt(system, system.components, run);
  const bad = new Set(first.filter(isWrong).map(({ component }) => component));
  if (bad.size > 0) await sleep(againMs, undefined, { signal: run.signal });
  const suspects = system.components.filter(({ name }) => bad.has(name));
  const again = bad.size === 0 ? [] : await lookAt(system, suspects, run);
  const looks = [...first.filter(({ component }) => !bad.has(component)), ...again];
  using history = new HealthHistory(system.paths.state);
  history.note(looks, now, every * GAP);
  history.forgetBefore(new Date(now.getTime() - keep).toISOString());
  const wasWrong = new Set(first.filter(isWrong).map(nameOf));
  noteIncidents(system, looks, wasWrong);
  onLooks(looks);
}

const isWrong = ({ need, verdict }: Look): boolean => need === "required" && verdict === "bad";

const nameOf = ({ component, check }: Look): string => `${component}/${check}`;

/** What is just being changed, or was stopped, is not looked at: it is down because somebody wants that. */
async function lookAt(
  { paths, journal }: System,
  components: readonly Component[],
  run: Run,
): Promise<Look[]> {
  const looks: Look[] = [];
  const stopped = new Set(journal.past.stoppedComponents());
  for (const { name: component, runner, checks } of components) {
    const isBusy = (): boolean => isUnderWay(paths.locks, [component]);
    if (isBusy() || stopped.has(component)) continue;
    const found: Look[] = [];
    if (runner !== undefined) {
      const common = { component, check: "runs", need: "required" } as const;
      found.push({ ...common, ...(await livesNow(runner.isAlive(run), run)) });
    }
    for (const { name: check, check: question, need } of checks) {
      if (question.isThorough === true) continue;
      found.push({ component, check, need, ...(await question.ask(run)) });
    }
    if (!isBusy()) looks.push(...found);
  }
  return looks;
}

function noteIncidents(
  system: System,
  looks: readonly Look[],
  wasWrong: ReadonlySet<string>,
): void {
  using incidents = new Incidents(system.paths.state);
  for (const [component, all] of Map.groupBy(looks, (look) => look.component)) {
    const wrong = all.filter(isWrong);
    incidents.together(() => {
      // Whoever closed it knows of it, until it was good once.
      const lasting = incidents.lasting(`check:${component}`, "too");
      // Twice in a row, and the same one: anything else may have been a moment.
      if (lasting === undefined && !wrong.some((one) => wasWrong.has(nameOf(one)))) return;
      if (wrong.length > 0) noteBad(system, incidents, lasting, component, wrong);
      else if (lasting !== undefined) noteGood(system, incidents, lasting, component, all);
    });
  }
}

function noteBad(
  system: System,
  incidents: Incidents,
  lasting: Incident | undefined,
  component: string,
  wrong: readonly Look[],
): void {
  const at = system.host.clock.now().toISOString();
  const what = wrong.map(({ check, detail }) => `${check} (${detail})`).join(", ");
  const text = `${component}: bad: ${what}`;
  if (lasting !== undefined) return void incidents.change(lasting, {}, { at, text });
  const opened = incidents.open({
    id: newOperationId(system),
    key: `check:${component}`,
    title: text,
    components: [component],
    detected: at,
  });
  queueNotice(system, noticeOf(system, "failure", opened, text));
}

/** What is unknown is not well again. */
function noteGood(
  system: System,
  incidents: Incidents,
  lasting: Incident,
  component: string,
  looks: readonly Look[],
): void {
  if (looks.some(({ need, verdict }) => need === "required" && verdict !== "good")) return;
  const at = system.host.clock.now().toISOString();
  const text = `${component}: every required check is good again`;
  incidents.change(lasting, { recovered: at }, { at, text });
  queueNotice(system, noticeOf(system, "recovery", lasting, text));
}

// The program that a drill runs in its place apart: `inside.ts <file>`. It starts the components, asks
// their checks, and prints what it found as one line of JSON. Whoever it started ends with it.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { systemClock } from "../../base/clock.ts";
import type { Run } from "../../base/events.ts";
import { waitUntilHealthy } from "../acts/healthy.ts";
import { start } from "../acts/stop-start.ts";
import { type Component, type ComponentsConfig, openComponents } from "../components.ts";

/** What is to be tried: the components in the order in which they start, and which of them run. */
export type Trial = {
  readonly components: readonly (readonly [name: string, config: ComponentsConfig[string]])[];
  readonly starts: readonly string[];
  readonly folder: string;
  readonly state: string;
};

export type TriedCheck = {
  readonly component: string;
  readonly check: string;
  readonly need: "required" | "wanted" | "shadow";
  readonly verdict: "good" | "bad" | "unknown";
  readonly detail: string;
};

/** What came of it. */
export type Tried = {
  readonly checks: readonly TriedCheck[];
  /** The first thing that went wrong; undefined: nothing did. */
  readonly problem: string | undefined;
  /** Whether it never ran, or did not do right once it ran. */
  readonly at: "start" | "checks" | undefined;
  /** What the applications printed last, where something went wrong. */
  readonly lastWords: readonly string[];
};

const WORDS_MAX = 30;

async function tryOut(trial: Trial, run: Run): Promise<Tried> {
  const { folder, state } = trial;
  const around = { folder, state, temporary: `${state}/tmp`, clock: systemClock };
  const components: Component[] = [];
  // One by one: in an object names that are numbers would come first.
  for (const [name, config] of trial.components) {
    components.push(...(await openComponents({ [name]: config }, around)));
  }
  for (const component of components.filter(({ name }) => trial.starts.includes(name))) {
    const failed = await startOne(component, run);
    if (failed === undefined) continue;
    return { checks: await askAll(components, trial, run), ...failed, lastWords: lastWords(state) };
  }
  const checks = await askAll(components, trial, run);
  const wrong = checks.find(({ need, verdict }) => need === "required" && verdict !== "good");
  if (wrong === undefined) return { checks, problem: undefined, at: undefined, lastWords: [] };
  const { component, check, verdict, detail } = wrong;
  const problem = `check ${component}/${check} is ${verdict}: ${detail}`;
  return { checks, problem, at: "checks", lastWords: lastWords(state) };
}

function lastWords(state: string): string[] {
  const folder = path.join(state, "logs");
  const logs = existsSync(folder)
    ? readdirSync(folder).filter((name) => name.endsWith(".log"))
    : [];
  return logs
    .flatMap((name) => readFileSync(path.join(folder, name), "utf8").trim().split("\n"))
    .slice(-WORDS_MAX);
}

async function startOne(
  component: Component,
  run: Run,
): Promise<{ problem: string; at: "start" | "checks" } | undefined> {
  try {
    await start(component, run);
  } catch (error) {
    return { problem: (error as Error).message, at: "start" };
  }
  try {
    await waitUntilHealthy(component, { atLeast: "good", isQuick: true }, {}, run);
    return undefined;
  } catch (error) {
    const lives = await component.runner?.isAlive(run).catch(() => false);
    return { problem: (error as Error).message, at: lives === true ? "checks" : "start" };
  }
}

async function askAll(
  components: readonly Component[],
  { components: tried }: Trial,
  run: Run,
): Promise<TriedCheck[]> {
  const found: TriedCheck[] = [];
  const configs = Object.fromEntries(tried);
  for (const { name: component, checks } of components) {
    for (const { name: check, check: question, need } of checks) {
      if (configs[component]!.checks[check] === undefined) continue;
      found.push({ component, check, need, ...(await question.ask(run)) });
    }
  }
  return found;
}

const trial = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Trial;
const signal = new AbortController().signal;
const tried = await tryOut(trial, { signal, report: () => {} });
process.stdout.write(`${JSON.stringify(tried)}\n`);

import type { Run } from "../../base/events.ts";
import { failureOf, type RunCommand } from "../../operations/runs/child.ts";
import type { Feed } from "../../operations/runs/feed.ts";
import type { Runs } from "../../operations/runs/runs.ts";
import type { System } from "../../operations/system.ts";

/** What routes work with. */
export type Server = {
  readonly system: System;
  readonly runs: Runs;
  readonly feed: Feed;
  readonly version: string;
  readonly run: Run;
  /** What a command that only looks answers; the same again for a moment. */
  readonly ask: (command: readonly string[]) => Promise<unknown>;
};

const FRESH_MS = 3000;
const KEPT_MAX = 100;

/** Looks by running commands: those that ask the same at the same time wait for one answer. */
export function asker(runCommand: RunCommand, run: Run): Server["ask"] {
  const answers = new Map<string, { readonly at: number; readonly value: Promise<unknown> }>();
  return async (command) => {
    const key = JSON.stringify(command);
    const known = answers.get(key);
    if (known !== undefined && performance.now() - known.at < FRESH_MS) return await known.value;
    const value = runCommand(command, "api", { ...run, report: () => {} }).then((ended) => {
      if (ended.value === undefined) throw failureOf(command, ended);
      return ended.value;
    });
    // Who asks again after a failure is to have it tried again.
    value.catch(() => answers.delete(key));
    answers.delete(key);
    answers.set(key, { at: performance.now(), value });
    if (answers.size > KEPT_MAX) answers.delete(answers.keys().next().value!);
    return await value;
  };
}

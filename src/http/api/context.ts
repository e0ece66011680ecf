import { AppError } from "../../base/errors.ts";
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
const AT_ONCE_MAX = 3;
const WAITING_MAX = 30;
const KEPT_MAX = 100;

/** Looks by running commands: those that ask the same at the same time wait for one answer. */
export function asker(runCommand: RunCommand, run: Run): Server["ask"] {
  let working = 0;
  const waiting: (() => void)[] = [];
  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    if (working >= AT_ONCE_MAX) await new Promise<void>((resolve) => waiting.push(resolve));
    working++;
    try {
      return await work();
    } finally {
      working--;
      waiting.shift()?.();
    }
  };
  const answers = new Map<string, { readonly at: number; readonly value: Promise<unknown> }>();
  return async (command) => {
    const key = JSON.stringify(command);
    const known = answers.get(key);
    if (known !== undefined && performance.now() - known.at < FRESH_MS) return await known.value;
    if (working + waiting.length >= AT_ONCE_MAX + WAITING_MAX) {
      throw new AppError("UNAVAILABLE", `ask ${command[0]}: too many ask at once`, {
        hint: "Try again in a moment.",
      });
    }
    const value = inTurn(() => runCommand(command, "api", { ...run, report: () => {} })).then(
      (ended) => {
        if (ended.value === undefined) throw failureOf(command, ended);
        return ended.value;
      },
    );
    // Who asks again after a failure is to have it tried again.
    value.catch(() => answers.delete(key));
    answers.delete(key);
    answers.set(key, { at: performance.now(), value });
    if (answers.size > KEPT_MAX) answers.delete(answers.keys().next().value!);
    return await value;
  };
}

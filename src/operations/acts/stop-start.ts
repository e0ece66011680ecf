import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { hostFacts } from "../../base/host.ts";
import { processesUsing } from "../../base/open-files.ts";
import { SQLITE_COMPANIONS } from "../../stores/sqlite-file.ts";
import { livePathsOf } from "../../stores/store.ts";
import type { Component } from "../components.ts";

/** REFUSED when something goes on using the data: it would write into what was switched away. */
export async function stop({ name, runner, stores }: Component, run: Run): Promise<void> {
  // Half a stop would be taken for a component that runs; it has its own limit of time.
  await runner?.stop({ ...run, signal: new AbortController().signal });
  run.signal.throwIfAborted();
  const pid = await lastingUserOf(stores, run);
  if (pid === undefined) return;
  throw new AppError("REFUSED", `stop ${name}: process ${pid} still has its data open`, {
    hint:
      runner === undefined
        ? "Say under run: how it is stopped and started, or stop it yourself first."
        : "Another program uses the same files. Stop it first.",
  });
}

/** Processes that have something of the live data open. */
function usersOf(stores: Component["stores"]): number[] {
  const files = livePathsOf(stores).flatMap((file) =>
    ["", ...SQLITE_COMPANIONS].map((suffix) => file + suffix),
  );
  return processesUsing(files, hostFacts().pid);
}

const USER_MS_MAX = 3000;
const POLL_MS = 100;

/** Somebody who has the data open for longer than it takes to end. */
async function lastingUserOf(stores: Component["stores"], run: Run): Promise<number | undefined> {
  const deadline = performance.now() + USER_MS_MAX;
  for (;;) {
    const [pid] = usersOf(stores);
    if (pid === undefined || performance.now() > deadline) return pid;
    await sleep(POLL_MS, undefined, { signal: run.signal });
  }
}

/** As above, but to start what was stopped matters more than to know. */
function anyUserOf(stores: Component["stores"]): number | undefined {
  try {
    return usersOf(stores)[0];
  } catch {
    return undefined;
  }
}

/**
 * A second one must not be started beside one that only seems to be gone. Where it is certain who is
 * alive, a stranger who has the data open is no reason to leave the component down.
 */
export async function start({ name, runner, stores, checks }: Component, run: Run): Promise<void> {
  if (runner === undefined) return;
  for (const { check } of checks) await check.begin?.(run);
  const pid = runner.identity === undefined ? anyUserOf(stores) : undefined;
  if (pid === undefined || (await runner.isAlive(run))) return await runner.start(run);
  const message = `start ${name}: process ${pid} has its data open, so it seems to run already`;
  run.report({ type: "warning", message });
}

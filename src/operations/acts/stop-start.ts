import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { hostFacts } from "../../base/host.ts";
import { processesUsing } from "../../base/open-files.ts";
import { SQLITE_COMPANIONS } from "../../stores/sqlite-file.ts";
import type { Component } from "../components.ts";

/** REFUSED when something goes on using the data: it would write into what was switched away. */
export async function stop({ name, runner, stores }: Component, run: Run): Promise<void> {
  // Half a stop would be taken for a component that runs; it has its own limit of time.
  await runner?.stop({ ...run, signal: new AbortController().signal });
  run.signal.throwIfAborted();
  const [pid] = usersOf(stores);
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
  const files = stores.flatMap(({ store }) =>
    ["", ...SQLITE_COMPANIONS].map((suffix) => store.livePath + suffix),
  );
  return processesUsing(files, hostFacts().pid);
}

/** As above, but to start what was stopped matters more than to know. */
function anyUserOf(stores: Component["stores"]): number | undefined {
  try {
    return usersOf(stores)[0];
  } catch {
    return undefined;
  }
}

/** A second one must not be started beside one that only seems to be gone. */
export async function start({ name, runner, stores, checks }: Component, run: Run): Promise<void> {
  if (runner === undefined) return;
  for (const { check } of checks) await check.begin?.(run);
  const pid = anyUserOf(stores);
  if (pid === undefined || (await runner.isAlive(run))) return await runner.start(run);
  const message = `start ${name}: process ${pid} has its data open, so it seems to run already`;
  run.report({ type: "warning", message });
}

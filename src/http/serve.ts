import { once } from "node:events";
import type { Server } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { createAdaptorServer } from "@hono/node-server";
import { monotonicMs } from "../base/clock.ts";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { recover, recoverable } from "../operations/recover.ts";
import { verifyFactories } from "../operations/releases/verify-factories.ts";
import { keepSchedule } from "../operations/schedule/schedule.ts";
import type { System } from "../operations/system.ts";
import { flushOutbox } from "../operations/updater/announce.ts";
import { openUpdater } from "../operations/updater/updater.ts";
import { updaterApi } from "./updater.ts";

const FLUSH_EVERY_MS = 5000;
const VERIFY_EVERY_MS = 24 * 3_600_000;

/**
 * Runs until it is cancelled: ends what a crash interrupted, does what is scheduled, answers the updater's
 * interface where the configuration has one, and sends the reports that wait. What is under way then
 * goes back.
 */
export async function serve(system: System, version: string, run: Run): Promise<void> {
  await recover(recoverable(system), run, "interrupted");
  const { updater, schedule } = system.config;
  if (updater === undefined && schedule === undefined) {
    throw new AppError("CONFIG_INVALID", "serve: there is nothing to serve", {
      hint: "Add schedule: or updater: to lastgood.yaml.",
    });
  }
  await using _listening = updater === undefined ? undefined : await listen(system, version, run);
  const scheduled = keepSchedule(system, run);
  await flushAndVerify(system, run);
  await scheduled;
}

/** The updater's interface, until it is disposed. UNAVAILABLE. */
async function listen(system: System, version: string, run: Run): Promise<AsyncDisposable> {
  const config = system.config.updater!;
  const updater = openUpdater(system, run);
  const server = createAdaptorServer({ fetch: updaterApi(updater, config.allow, version).fetch });
  const at = config.listen.lastIndexOf(":");
  const address = config.listen.slice(0, at).replaceAll(/[[\]]/g, "");
  server.listen(Number(config.listen.slice(at + 1)), address);
  try {
    await once(server, "listening");
  } catch (error) {
    throw new AppError("UNAVAILABLE", `listen on ${config.listen}: ${(error as Error).message}`, {
      hint: "Another program has that port, mostly: choose another under updater.listen.",
      cause: error,
    });
  }
  run.report({ type: "told", message: `The updater listens on ${config.listen}.` });
  return {
    async [Symbol.asyncDispose]() {
      server.close();
      // Whoever sent half a request would keep us.
      (server as Server).closeAllConnections();
      await updater.settled();
    },
  };
}

async function flushAndVerify(system: System, run: Run): Promise<void> {
  let verifiedMs = -Infinity;
  while (!run.signal.aborted) {
    await flushOutbox(system.paths, run);
    if (monotonicMs() - verifiedMs > VERIFY_EVERY_MS) {
      verifiedMs = monotonicMs();
      await verifyFactories(system, run).catch((error: unknown) => {
        if (run.signal.aborted) return;
        run.report({ type: "warning", message: `verify factory: ${(error as Error).message}` });
      });
    }
    await sleep(FLUSH_EVERY_MS, undefined, { signal: run.signal }).catch(() => {});
  }
}

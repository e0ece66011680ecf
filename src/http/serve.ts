import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { monotonicMs } from "../base/clock.ts";
import { HINT_STATE_FULL } from "../base/disk-errors.ts";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { parseConfig } from "../config/load.ts";
import { digest } from "../operations/incidents/digest.ts";
import { flushOutbox, Patience } from "../operations/notices/flush.ts";
import { lockComponents } from "../operations/operation-lock.ts";
import { recover, recoverable } from "../operations/recover.ts";
import { verifyFactories } from "../operations/releases/verify-factories.ts";
import { commandRunner } from "../operations/runs/child.ts";
import { Feed } from "../operations/runs/feed.ts";
import { openRuns } from "../operations/runs/runs.ts";
import { keepSchedule } from "../operations/schedule/schedule.ts";
import type { System } from "../operations/system.ts";
import { listTokens } from "../operations/tokens.ts";
import { openUpdater } from "../operations/updater/updater.ts";
import { pingDeadMan } from "../operations/watch/dead-man.ts";
import { noteSpace } from "../operations/watch/space.ts";
import { watchHealth } from "../operations/watch/watch-health.ts";
import { noteOverdue } from "../operations/watch/watch-overdue.ts";
import { apiApp } from "./api/app.ts";
import { asker, type Server } from "./api/context.ts";
import { listen } from "./listen.ts";
import { adminBackupApi } from "./procedures/admin-backup.ts";
import { updaterApi } from "./procedures/updater.ts";

const TICK_MS = 5000;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** What the process gives to the service. */
export type ServeHost = {
  readonly version: string;
  /** With which lastgood can be started again. */
  readonly program: readonly string[];
};

/**
 * Runs until it is cancelled, or until lastgood.yaml was changed and nothing is under way: ends what a crash interrupted, does what is scheduled, watches health, tells
 * who wants to know, and answers HTTP. What takes long it has done by processes of their own, which go back
 * when it is cancelled.
 */
export async function serve(
  system: System,
  { version, program }: ServeHost,
  outer: Run,
): Promise<"stopped" | "changed"> {
  // Two would do and tell everything twice.
  using _alone = lockComponents(system.paths.locks, [".serve"]);
  const change = new AbortController();
  const run = { ...outer, signal: AbortSignal.any([outer.signal, change.signal]) };
  await recover(recoverable(system), run, "interrupted");
  refuseFullDisk(system);
  const feed = new Feed(randomBytes(4).toString("hex"));
  const runCommand = commandRunner(system, program);
  const runs = openRuns(system, runCommand, feed, run);
  const ask = asker(runCommand, run);
  const server: Server = { system, runs, feed, version, run, ask };
  await using _listening = await listenAll(server);
  await Promise.all([
    keepSchedule(system, runs.carryOut, run),
    watchHealth(system, (looks) => feed.send({ type: "health", looks }), run),
    pingDeadMan(system, run),
    tick(server, change),
  ]);
  await runs.settled();
  return outer.signal.aborted ? "stopped" : "changed";
}

/** Nobody could do anything as long as it runs, least of all make room. */
function refuseFullDisk({ journal, paths }: System): void {
  if (!journal.isAlone) return;
  throw new AppError("NO_SPACE", `serve: no space left where the state lies, in ${paths.state}`, {
    hint: HINT_STATE_FULL,
  });
}

async function listenAll(server: Server): Promise<AsyncDisposable> {
  const { system, version, run } = server;
  const { config } = system;
  await using stack = new AsyncDisposableStack();
  const tell = (message: string): void => run.report({ type: "told", message });
  const adminBackup = config["admin-backup"];
  if (adminBackup !== undefined) {
    stack.use(await listen(adminBackupApi(server), adminBackup.listen, "admin-backup.listen"));
    tell(`POST /admin/backup is answered on ${adminBackup.listen}.`);
  }
  if (config.updater !== undefined) {
    const updater = openUpdater(system, run);
    stack.defer(async () => await updater.settled());
    const { allow, listen: at } = config.updater;
    stack.use(await listen(updaterApi(updater, allow, version), at, "updater.listen"));
    tell(`The updater listens on ${at}.`);
  }
  // Last: once it answers, all of them do.
  const { port } = stack.use(await listen(apiApp(server), config.serve.listen, "serve.listen"));
  tell(`The console and the API: http://${config.serve.listen.replace(/:0$/, `:${port}`)}/`);
  if ((await listTokens(system)).length === 0) {
    tell("Nobody can log in yet: lastgood token add NAME --scope admin");
  }
  return stack.move();
}

/** What is done again and again, each by itself: that one of them fails stops no other. */
async function tick(server: Server, change: AbortController): Promise<void> {
  const { system, feed, run } = server;
  const patience = new Patience();
  const last = new Map<string, number>();
  const now = (): number => monotonicMs();
  const every = async (ms: number, what: string, work: () => unknown): Promise<void> => {
    if (now() - (last.get(what) ?? -Infinity) < ms) return;
    last.set(what, now());
    try {
      await work();
    } catch (error) {
      if (run.signal.aborted) return;
      run.report({ type: "warning", message: `${what}: ${(error as Error).message}` });
    }
  };
  const refused = new Set<string>();
  let seen = system.journal.audit.head.entries;
  while (!run.signal.aborted) {
    await every(0, "incidents", () => digest(system, run));
    await every(0, "events", () => {
      const { entries } = system.journal.audit.head;
      if (entries !== seen) feed.send({ type: "changed" });
      seen = entries;
    });
    await every(0, "configuration", async () => {
      if (await isChanged(server, refused)) change.abort();
    });
    await every(MINUTE_MS, "overdue", async () => await noteOverdue(system));
    await every(MINUTE_MS, "space", async () => await noteSpace(system));
    await every(DAY_MS, "verify factory", async () => await verifyFactories(system, run));
    // A receiver that does not answer must not keep the rest waiting.
    void every(0, "outbox", async () => await flushOutbox(system, run, patience));
    await sleep(TICK_MS, undefined, { signal: run.signal }).catch(() => {});
  }
}

/** Whether there is another configuration that can be used, and nothing is under way. */
async function isChanged({ system, runs, run }: Server, refused: Set<string>): Promise<boolean> {
  const { file, text } = system.loaded;
  const now = await readFile(file, "utf8");
  if (now === text || refused.has(now)) return false;
  if (runs.list().some(({ end }) => end === undefined)) return false;
  try {
    parseConfig(now, file);
  } catch (error) {
    refused.add(now);
    const message = `${(error as Error).message}; it looks on as before, but backups and all other commands fail until that is mended`;
    run.report({ type: "warning", message });
    return false;
  }
  run.report({ type: "told", message: `${file} was changed: it begins again with it.` });
  return true;
}

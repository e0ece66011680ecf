import { readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError, hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { writeFileDurable } from "../../base/fs.ts";
import { deploy } from "../releases/deploy.ts";
import { fetchPackage } from "../releases/fetch.ts";
import { readPackageInfo } from "../releases/package-info.ts";
import { deployable, findRelease, releaseVersion } from "../releases/target-of.ts";
import type { Version } from "../../slots/slot.ts";
import type { System } from "../system.ts";
import { type Announcer, announcerOf } from "./announce.ts";
import type { Report, Stage } from "./say.ts";

export type Asked = {
  readonly version: string;
  readonly package_url: string;
  readonly package_name: string;
  readonly package_size: number;
  readonly package_md5: string;
};

export type UpdaterState = Report & { readonly version: string };

/** A refusal, with the code that the old interface has for it. */
export class UpdaterError extends Error {
  readonly code: 400 | 404 | 409 | 410 | 500;

  constructor(code: UpdaterError["code"], message: string) {
    super(message);
    this.name = "UpdaterError";
    this.code = code;
  }
}

const IDLE: UpdaterState = { stage: "idle", progress: 0, message: "", error: null, version: "" };
const EXPIRES_MS = 24 * 3_600_000;
const FORGOTTEN_MS = 65_000;
const REPORTED_EVERY_PERCENT = 5;
const BUSY: ReadonlySet<Stage> = new Set(["downloading", "verifying", "installing", "rebooting"]);

/** The updater as its fleet knows it: one download or update at a time, and how far it is. */
export type Updater = {
  readonly state: () => UpdaterState;
  /** Begins; throws UpdaterError when it cannot. */
  readonly download: (asked: Asked) => Promise<void>;
  readonly update: (version: string) => Promise<void>;
  /** Returns once nothing is under way. */
  readonly settled: () => Promise<void>;
};

export function openUpdater(system: System, run: Run): Updater {
  const { component } = system.config.updater!;
  const kept = keepState(path.join(system.paths.state, "updater.json"), run);
  const desk = oneAtATime(system, component, kept, run);
  return {
    state: kept.now,
    settled: desk.settled,
    async download(asked) {
      const to = releaseVersion(asked.version);
      await desk.take(async () => {
        const there = await findRelease(deployable(system, component).target, to);
        if (there === undefined) return;
        throw new UpdaterError(409, `Version ${to} is installed already`);
      });
      desk.begin("downloading", to, async () => {
        await fetchTo(system, component, asked, run, desk.tell);
        desk.tell("toInstall", 100, "Ready to install", null);
      });
    },
    async update(named) {
      const to = releaseVersion(named);
      await desk.take(() => refuseNotReady(system, component, to));
      desk.begin("installing", to, async () => {
        // What waits is sent afterwards: until then nothing else could begin.
        const announcer: Announcer = { ...desk.announcer, flush: async () => {} };
        const options = { source: undefined, reason: "update", force: false, announcer };
        const { outcome, error } = await deploy(system, component, to, options, run);
        if (outcome === "committed") return;
        const back = outcome === "needs-human" ? "" : "\nRollback completed.";
        const text = `UPDATE_FAILED: DEPLOYMENT_FAILED: ${error}${back}`;
        kept.set({
          stage: "failed",
          progress: 0,
          message: "Update failed",
          error: text,
          version: to,
        });
      });
    },
  };
}

type Tell = (stage: Stage, progress: number, message: string, error: string | null) => void;

type Kept = { now: () => UpdaterState; set: (state: UpdaterState) => void };

type Desk = {
  readonly announcer: Announcer;
  readonly tell: Tell;
  /** Takes the place of the one thing under way, before anything can come in between. */
  readonly take: (check: () => Promise<void>) => Promise<void>;
  /** Begins what the place was taken for. */
  readonly begin: (stage: Stage, version: string, task: () => Promise<void>) => void;
  readonly settled: () => Promise<void>;
};

function oneAtATime(system: System, component: string, kept: Kept, run: Run): Desk {
  let work: Promise<void> = Promise.resolve();
  let { version } = kept.now();
  let isBusy = false;
  const announcer = announcerOf(system, component, (report) => kept.set({ ...report, version }))!;
  const tell: Tell = (stage, progress, message, error) =>
    announcer.say([{ report: { stage, progress, message, error } }], version);
  return {
    announcer,
    tell,
    settled: () => work,
    async take(check) {
      if (isBusy) throw new UpdaterError(409, `An update is under way: ${kept.now().stage}`);
      isBusy = true;
      try {
        await check();
      } catch (error) {
        isBusy = false;
        throw error;
      }
    },
    begin(stage, of, task) {
      version = of;
      tell(stage, 0, stage, null);
      work = task()
        .catch((error: unknown) => {
          const word = wordOf(error);
          announcer.say([{ log: ["ERROR", word] }], version);
          tell("failed", 0, "Update failed", word);
        })
        .finally(() => {
          isBusy = false;
        })
        .then(() => announcer.flush(run));
    },
  };
}

/** A package that was verified within the last day. */
async function refuseNotReady(system: System, component: string, to: Version): Promise<void> {
  const { verifiedAt } = await readPackageInfo(system.paths.state, component, to).catch(() => {
    throw new UpdaterError(404, `Version ${to} was not downloaded`);
  });
  const ageMs = system.host.clock.now().getTime() - Date.parse(verifiedAt);
  if (ageMs > EXPIRES_MS) {
    throw new UpdaterError(410, "PACKAGE_EXPIRED: verified more than 24 hours ago");
  }
}

/** The state, also in a file; how something ended is forgotten after a while. */
function keepState(file: string, run: Run): Kept {
  let state = afterRestart(readState(file));
  let written: Promise<void> = Promise.resolve();
  const forgetLater = async (said: UpdaterState): Promise<void> => {
    // The fleet's server asks now and then, and is to see how it ended.
    await sleep(FORGOTTEN_MS, undefined, { signal: run.signal, ref: false });
    if (state === said) state = IDLE;
  };
  if (state.stage === "failed") forgetLater(state).catch(() => {});
  return {
    now: () => state,
    set(next) {
      state = next;
      const write = (): Promise<void> =>
        writeFileDurable(file, Buffer.from(JSON.stringify(next)), "replace");
      // In their order; that one cannot be written stops nothing.
      written = written.then(write).catch(() => {});
      if (next.stage === "success" || next.stage === "failed") forgetLater(next).catch(() => {});
    },
  };
}

/** Fetches and verifies, and tells of it every five percent. */
async function fetchTo(
  system: System,
  component: string,
  asked: Asked,
  run: Run,
  tell: Tell,
): Promise<void> {
  let told = 0;
  const heard: Run = {
    ...run,
    report(event) {
      run.report(event);
      if (event.type !== "progress" || event.step !== "fetch") return;
      const percent = Math.floor((event.bytesDone / Math.max(1, event.bytesTotal ?? 1)) * 100);
      if (percent < told + REPORTED_EVERY_PERCENT) return;
      told = percent - (percent % REPORTED_EVERY_PERCENT);
      tell(
        told >= 100 ? "verifying" : "downloading",
        Math.min(told, 100),
        asked.package_name,
        null,
      );
    },
  };
  const source = { from: asked.package_url, bytes: asked.package_size, md5: asked.package_md5 };
  await fetchPackage(system, component, releaseVersion(asked.version), source, heard);
}

/** The codes of the contract, for what our errors mean. */
function wordOf(error: unknown): string {
  const { message } = error as Error;
  const [, expected, found] = /its MD5 is (\S+), not (\S+)/.exec(message) ?? [];
  if (expected !== undefined) return `MD5_MISMATCH: expected ${found}, got ${expected}`;
  if (/its size is/.test(message)) return `PACKAGE_SIZE_MISMATCH: ${message}`;
  if (hasCode(error, "NO_SPACE")) return `DISK_FULL: ${message}`;
  if (hasCode(error, "INVALID_PACKAGE")) return `INVALID_MANIFEST: ${message}`;
  if (hasCode(error, "UNAVAILABLE") || hasCode(error, "NOT_FOUND")) {
    return `DOWNLOAD_FAILED: ${message}`;
  }
  return error instanceof AppError
    ? `UPDATE_FAILED: ${message}`
    : `UPDATE_FAILED: ${String(error)}`;
}

function readState(file: string): UpdaterState {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as UpdaterState;
  } catch {
    // None yet, or a crash tore it: nothing is under way then.
    return IDLE;
  }
}

/** What was under way is not any more: the next download goes on where it was cut. */
function afterRestart(state: UpdaterState): UpdaterState {
  if (!BUSY.has(state.stage)) return state.stage === "toInstall" ? state : IDLE;
  const error = "UPDATE_FAILED: the updater was interrupted";
  return { ...state, stage: "failed", progress: 0, message: "Update failed", error };
}

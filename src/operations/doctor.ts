import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { readyFolders } from "../slots/place.ts";
import { isFileStore } from "../stores/store.ts";
import { missingStores, readOnlyStores } from "./live-data.ts";
import { listPoints } from "./points/catalogue.ts";
import { isAhead } from "./points/point.ts";
import { needSpace } from "./space.ts";
import type { System } from "./system.ts";
import { listSetAside, type SetAside } from "./set-aside.ts";
import { releaseFindings } from "./releases/findings.ts";
import type { Deployable } from "./releases/target-of.ts";
import { startComponents } from "./stop-start.ts";
import { unfinishedOf } from "./unfinished.ts";

export type Finding = {
  readonly severity: "error" | "warning";
  readonly problem: string;
  readonly hint: string;
  /** Puts it right and says what it did. */
  readonly repair?: (run: Run) => Promise<string>;
};

const AGE_MS_MAX = 2 * 86_400_000;

/** Looks for what would go wrong in an emergency, while there is none. Changes nothing. */
export async function doctor(system: System, run: Run): Promise<readonly Finding[]> {
  const parts = [unfinished, repository, key, space, releases, components];
  const findings = await Promise.all(parts.map((part) => part(system, run)));
  return findings.flat();
}

async function unfinished(system: System): Promise<Finding[]> {
  return unfinishedOf(system).interrupted.map(({ id }) => ({
    severity: "error",
    problem: `operation ${id} was interrupted`,
    hint: "lastgood recover",
  }));
}

async function repository(system: System, run: Run): Promise<Finding[]> {
  try {
    const points = await listPoints(system, run);
    const newest = points.findLast(({ valid }) => valid);
    if (newest === undefined) {
      return [{ severity: "error", problem: "there is no valid point", hint: "lastgood backup" }];
    }
    const now = system.host.clock.now();
    const findings: Finding[] = [];
    const ahead = points.filter(({ snapshot }) => isAhead(snapshot.time, now));
    if (ahead.length > 0) {
      const many = ahead.length === 1 ? "a point is" : `${ahead.length} points are`;
      findings.push({
        severity: "warning",
        problem: `${many} ahead of the clock of this machine, which says ${now.toISOString()}: ${ahead.at(-1)?.stamp}`,
        hint: "Set the clock right. Where it is: each new point comes a second after the newest, and no policy removes those ahead. Once all you need of them is elsewhere: lastgood forget STAMP ..., then lastgood backup.",
      });
    }
    const ageMs = now.getTime() - Date.parse(newest.snapshot.time);
    if (ageMs <= AGE_MS_MAX) return findings;
    const days = Math.floor(ageMs / 86_400_000);
    return [
      ...findings,
      {
        severity: "warning",
        problem: `the newest valid point is ${days} days old`,
        hint: "lastgood backup",
      },
    ];
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return [{ severity: "error", problem: error.message, hint: error.hint ?? "" }];
  }
}

/** A key that burns with the machine opens nothing. */
async function key({ config }: System): Promise<Finding[]> {
  const { password, at } = config.repository;
  if (!("file" in password)) return [];
  const findings: Finding[] = [];
  const found = await stat(password.file).catch(() => undefined);
  if (found !== undefined && (found.mode & 0o077) !== 0) {
    findings.push({
      severity: "warning",
      problem: `${password.file} can be read by others`,
      hint: `chmod 600 ${password.file}`,
    });
  }
  if (isWithin(config.state, at)) {
    findings.push({
      severity: "warning",
      problem: `the repository lies in the folder of state:, ${config.state}`,
      hint: "Who loses that folder loses all points with it. Name another place under repository:, best on another disk.",
    });
  }
  const device = (await stat(at).catch(() => undefined))?.dev;
  if (found !== undefined && found.dev === device && Object.keys(config.copies).length === 0) {
    findings.push({
      severity: "warning",
      problem: "repository and key lie on the same disk as each other, and there is no copy",
      hint: "Name a second repository under copies:, and keep the key elsewhere too.",
    });
  }
  return findings;
}

function isWithin(folder: string, file: string): boolean {
  return `${path.resolve(file)}/`.startsWith(`${path.resolve(folder)}/`);
}

async function releases(system: System, run: Run): Promise<Finding[]> {
  const all = system.components.filter((one): one is Deployable => one.target !== undefined);
  const found = await Promise.all(all.map((one) => releaseFindings(system, one, run)));
  return found.flat();
}

/** Puts right what can be, and says what was done; what cannot is left to people. */
export async function repairAll(
  findings: readonly Finding[],
  run: Run,
): Promise<{ done: string[]; failed: string[] }> {
  const [done, failed]: [string[], string[]] = [[], []];
  for (const { problem, repair } of findings) {
    if (repair === undefined) continue;
    try {
      done.push(await repair(run));
    } catch (error) {
      run.signal.throwIfAborted();
      failed.push(`${problem}: ${(error as Error).message}`);
    }
  }
  return { done, failed };
}

async function components(system: System, run: Run): Promise<Finding[]> {
  const stopped = await stoppedFindings(system, run);
  const others = system.components.flatMap(({ name, runner, stores, checks, config }) => {
    const findings: Finding[] = [];
    if (runner === undefined && stores.length > 0) {
      findings.push({
        severity: "warning",
        problem: `${name}: lastgood does not know how to stop and start it`,
        hint: `Add components.${name}.run.command with start, stop and alive.`,
      });
    }
    if (checks.length === 0) {
      findings.push({
        severity: "warning",
        problem: `${name}: nothing checks its health after a restore`,
        hint: `Add components.${name}.checks.`,
      });
    }
    for (const store of missingStores(stores)) {
      const hint =
        "Was it lost: lastgood restore. Else look for a typing error, or say optional: true.";
      const problem = `${store.name}: ${store.livePath} is not there`;
      findings.push({ severity: "error", problem, hint });
    }
    for (const store of readOnlyStores(stores)) {
      const problem = `${store.name}: ${store.livePath} lies on a disk that is read-only`;
      const hint =
        "No restore can be made there. Linux makes a disk with errors read-only: see dmesg.";
      findings.push({ severity: "warning", problem, hint });
    }
    for (const file of config.files.filter((one) => !existsSync(one))) {
      const problem = `${name}: files: ${file} is not there`;
      findings.push({ severity: "error", problem, hint: "Correct the path." });
    }
    return findings;
  });
  return [...stopped, ...others];
}

/** In the order in which they start: one may be down because of another. */
async function stoppedFindings(system: System, run: Run): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, runner } of system.components) {
    const isAlive = await runner?.isAlive(run).catch(() => undefined);
    if (isAlive !== false) continue;
    findings.push({
      severity: "error",
      problem: `${name} does not run`,
      hint: `lastgood start ${name}: in the order in which they depend on each other`,
      repair: async (inner) => {
        const { started } = await startComponents(system, name, "doctor", inner);
        return `started: ${started.join(", ")}`;
      },
    });
  }
  return findings;
}

async function space(system: System, run: Run): Promise<Finding[]> {
  const findings: Finding[] = [];
  const state = await needSpace([{ path: path.join(system.paths.state, "x"), bytes: 0, files: 1 }]);
  for (const { folder, enough } of state) {
    if (enough) continue;
    findings.push({
      severity: "error",
      problem: `${folder}: the disk is full`,
      hint: "Free some space.",
    });
  }
  const aside = await listSetAside(system, run);
  return [...findings, ...asideFindings(aside), ...(await strayFindings(system, aside))];
}

function asideFindings(all: readonly SetAside[]): Finding[] {
  const idsOf = (wanted: SetAside["word"]): string =>
    [
      ...new Set(all.filter(({ word }) => word === wanted).map(({ operation }) => operation.id)),
    ].join(", ");
  const [before, rejected] = [idsOf("before"), idsOf("rejected")];
  const keep = "When you are sure that it is not needed: lastgood keep OPERATION";
  const aside = `what was set aside for undo still takes space: ${before}`;
  const given = `what was given up when it went back still takes space: ${rejected}`;
  const first = "lastgood backup brings it into a recovery point where it is in none.";
  return [
    ...(before === "" ? [] : [{ severity: "warning", problem: aside, hint: keep } as const]),
    ...(rejected === ""
      ? []
      : [{ severity: "warning", problem: given, hint: `${first} ${keep}` } as const]),
  ];
}

/** The name of what an operation has set aside or given up. */
const ASIDE = /^(before|rejected)-./;

/** What lies aside of operations that the journal does not know: the state was lost since. */
async function strayFindings(system: System, known: readonly SetAside[]): Promise<Finding[]> {
  const names = new Set<string>(known.map(({ version }) => version));
  const findings: Finding[] = [];
  for (const { store } of system.components.flatMap(({ stores }) => stores)) {
    if (!isFileStore(store)) continue;
    for (const [name, folder] of await readyFolders(await store.place())) {
      if (!ASIDE.test(name) || names.has(name)) continue;
      findings.push({
        severity: "warning",
        problem: `${store.name}: ${folder} was set aside by an operation that this state does not know`,
        hint: "Was the state folder lost? It may be the only copy of data that were live. Once nobody needs it, remove it.",
      });
    }
  }
  return findings;
}

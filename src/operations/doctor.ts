import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { listPoints } from "./points/catalogue.ts";
import { needSpace } from "./space.ts";
import type { System } from "./system.ts";
import { listSetAside } from "./set-aside.ts";
import { unfinishedOf } from "./unfinished.ts";

export type Finding = {
  readonly severity: "error" | "warning";
  readonly problem: string;
  readonly hint: string;
};

const AGE_MS_MAX = 2 * 86_400_000;

/** Looks for what would go wrong in an emergency, while there is none. Changes nothing. */
export async function doctor(system: System, run: Run): Promise<readonly Finding[]> {
  const parts = [unfinished, repository, key, components, space];
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
    const ageMs = system.host.clock.now().getTime() - Date.parse(newest.snapshot.time);
    if (ageMs <= AGE_MS_MAX) return [];
    const days = Math.floor(ageMs / 86_400_000);
    return [
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

async function components(system: System): Promise<Finding[]> {
  return system.components.flatMap(({ name, runner, stores, checks, config }) => {
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
    for (const { store, config: storeConfig } of stores) {
      if (existsSync(store.livePath) || storeConfig.optional) continue;
      const hint = "Look for a typing error, or say optional: true.";
      findings.push({
        severity: "error",
        problem: `${store.name}: ${store.livePath} is not there`,
        hint,
      });
    }
    for (const file of config.files.filter((one) => !existsSync(one))) {
      const problem = `${name}: files: ${file} is not there`;
      findings.push({ severity: "error", problem, hint: "Correct the path." });
    }
    return findings;
  });
}

async function space(system: System): Promise<Finding[]> {
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
  for (const { operation, version } of await listSetAside(system)) {
    findings.push({
      severity: "warning",
      problem: `${operation.id}: what it set aside still takes space (${version})`,
      hint: `When you are sure that it is not needed: lastgood keep ${operation.id}`,
    });
  }
  return findings;
}

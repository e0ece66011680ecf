import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  deploy,
  type DeployOptions,
  type ReleaseResult,
} from "../../src/operations/releases/deploy.ts";
import type { System } from "../../src/operations/system.ts";
import { type Behaviour, freePort, makeRelease, newDevice } from "./releases.ts";
import { quietRun, temporaryFolder } from "./temporary.ts";

const run = quietRun();

/** A device of its own for a test; its service is stopped at the end. */
export function onDevice(
  name: string,
  work: (system: System, folder: string, tell: (line: string) => void) => Promise<void>,
  extra: Parameters<typeof newDevice>[2] = {},
): void {
  test(name, { timeout: 600_000 }, async (t) => {
    await using temporary = await temporaryFolder();
    using system = await newDevice(temporary.path, extra.port ?? (await freePort()), extra);
    try {
      await work(system, temporary.path, (line) => t.diagnostic(line));
    } finally {
      // Not as an operation: one that was left interrupted would refuse it.
      for (const { runner } of system.components) await runner?.stop(run).catch(() => {});
      // The factory release cannot be removed otherwise.
      spawnSync("chattr", ["-R", "-f", "-i", temporary.path]);
    }
  });
}

/** Deploys a release of the stand-in service. */
export async function install(
  system: System,
  folder: string,
  version: string,
  behaviour: Behaviour = "good",
  options: Partial<DeployOptions> = {},
  files: Readonly<Record<string, string>> = {},
): Promise<ReleaseResult> {
  const source = { from: makeRelease(folder, version, behaviour, files) };
  return await deploy(
    system,
    "app",
    version,
    { source, reason: "", force: false, ...options },
    run,
  );
}

/** Where the links lead. */
export const links = (folder: string): string[] =>
  ["current", "previous", "factory"].map((name) => {
    const link = path.join(folder, "versions", name);
    return fs.lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() === true
      ? fs.readlinkSync(link)
      : "-";
  });

import { lstat, readlink, realpath, rename, stat, symlink } from "node:fs/promises";
import path from "node:path";
import { nothingThere } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { exec } from "../../base/exec.ts";
import { temporaryIn } from "../../base/fs.ts";
import type { Finding } from "../doctor.ts";
import type { Deployable } from "./target-of.ts";

const ASK_MS_MAX = 10_000;
const MAY_EXECUTE = 0o111;

/**
 * Looks at the programs that the component's units start: whether they are there and may be
 * executed, and whether a link to one leads through `current`: one that leads to a version goes on
 * starting that after every deploy.
 */
export async function entryFindings(
  { name, target, runner }: Deployable,
  run: Run,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const unit of runner?.units ?? []) {
    const program = await programOf(unit, run);
    if (program === undefined) continue;
    const found = await stat(program).catch(nothingThere);
    if (found === undefined || (found.mode & MAY_EXECUTE) === 0) {
      const what = found === undefined ? "is not there" : "may not be executed";
      const hint =
        "See whether its link and the release are right: lastgood doctor, lastgood releases";
      findings.push({ severity: "error", problem: `${name}: ${program} of ${unit} ${what}`, hint });
    }
    const stale = await staleLink(program, target.root);
    if (stale === undefined) continue;
    findings.push({
      severity: "error",
      problem: `${name}: ${program} of ${unit} leads to ${stale.leadsTo}, past current`,
      hint: `lastgood doctor --repair has it lead to ${stale.better}`,
      repair: async () => {
        const temporary = temporaryIn(path.dirname(program));
        await symlink(stale.better, temporary);
        await rename(temporary, program);
        return `${program} leads to ${stale.better}`;
      },
    });
  }
  return findings;
}

async function programOf(unit: string, run: Run): Promise<string | undefined> {
  const options = { timeoutMs: ASK_MS_MAX };
  const { stdout } = await exec(
    ["systemctl", "show", "--property=ExecStart", "--", unit],
    options,
    run,
  );
  return /\bpath=(\S+) ;/.exec(stdout)?.[1];
}

async function staleLink(
  program: string,
  root: string,
): Promise<{ leadsTo: string; better: string } | undefined> {
  const found = await lstat(program).catch(nothingThere);
  if (found?.isSymbolicLink() !== true) return undefined;
  const leadsTo = path.resolve(path.dirname(program), await readlink(program));
  const real = await realpath(root).catch(nothingThere);
  const base = [root, real].find((one) => one !== undefined && leadsTo.startsWith(`${one}/v`));
  if (base === undefined) return undefined;
  const [, ...rest] = path.relative(base, leadsTo).split(path.sep);
  return { leadsTo, better: path.join(root, "current", ...rest) };
}

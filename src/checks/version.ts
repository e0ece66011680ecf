import { readFile } from "node:fs/promises";
import { systemCode } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { type Command, exec } from "../base/exec.ts";
import { bad, type Check, GOOD, unknown } from "./check.ts";
import { valueAt } from "./expectation.ts";
import { askHttp, parseJson, whyUnanswered } from "./http.ts";

export type VersionCheckConfig = {
  /** Where the running program says which version it is. */
  readonly from:
    | { readonly http: string; readonly field: string | undefined }
    | { readonly file: () => Promise<string | undefined> }
    | { readonly command: Command; readonly folder: string };
  /** The version that ought to be live; undefined when none is. */
  readonly expected: () => Promise<string | undefined>;
  readonly timeoutMs: number;
};

/** Good when what runs says that it is the release that is live: an old process may still answer. */
export function versionCheck({ from, expected, timeoutMs }: VersionCheckConfig): Check {
  return {
    async ask(run) {
      const wanted = await expected();
      if (wanted === undefined) return unknown("no release is live");
      const said = await tellVersion(from, timeoutMs, run).catch((error: unknown) => {
        run.signal.throwIfAborted();
        return new Error(whyUnanswered(error));
      });
      if (said instanceof Error) return bad(said.message);
      if (said === undefined) return unknown("it does not say which version it is");
      const isSame = said.trim().replace(/^v/, "") === wanted.replace(/^v/, "");
      return isSame ? GOOD : bad(`it is ${said.trim().slice(0, 80)}, not ${wanted}`);
    },
  };
}

async function tellVersion(
  from: VersionCheckConfig["from"],
  timeoutMs: number,
  run: Run,
): Promise<string | undefined> {
  if ("http" in from) {
    const { status, text } = await askHttp({ url: from.http, method: "GET", timeoutMs }, run);
    if (status !== 200) throw new Error(`status ${status}`);
    const value = from.field === undefined ? text : valueAt(parseJson(text), from.field);
    return typeof value === "string" ? value : undefined;
  }
  if ("command" in from) {
    const { exitCode, stdout } = await exec(from.command, { timeoutMs, folder: from.folder }, run);
    if (exitCode !== 0) throw new Error(`${from.command[0]} ended with ${exitCode}`);
    return stdout;
  }
  const file = await from.file();
  if (file === undefined) return undefined;
  return await readFile(file, "utf8").catch((error: unknown) => {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  });
}

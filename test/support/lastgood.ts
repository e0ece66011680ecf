import { spawnSync } from "node:child_process";
import path from "node:path";

/** The program as npm installs it. */
export const bin = path.resolve(import.meta.dirname, "../../bin/lastgood.js");

export type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

/** Runs a command line of the program in a folder, to its end. */
export function lastgood(folder: string, ...args: string[]): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], {
    cwd: folder,
    encoding: "utf8",
  });
  return { code: status, out: stdout, err: stderr };
}

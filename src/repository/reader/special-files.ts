import { lstatSync } from "node:fs";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { exec } from "../../base/exec.ts";
import type { ByteString } from "../format/go-string.ts";
import type { TreeNode } from "../format/tree.ts";
import { rawPath } from "../workers/raw-path.ts";

export type SpecialFile = { readonly target: ByteString; readonly node: TreeNode };

const TIMEOUT_MS = 60_000;

/** Makes pipes and devices, for which Node has no function; returns in words what could not be. */
export async function makeSpecialFiles(
  files: readonly SpecialFile[],
  run: Run,
): Promise<{ made: readonly SpecialFile[]; problems: readonly string[] }> {
  const pipes = files.filter(({ node }) => node.type === "fifo").map(({ target }) => target);
  const problems = pipes.length === 0 ? [] : await call(["xargs", "-0", "mkfifo"], pipes, run);
  for (const { target, node } of files.filter((file) => file.node.type !== "fifo")) {
    problems.push(...(await call(["xargs", "-0", "mknod"], [target, ...kindOf(node)], run)));
  }
  const isThere = ({ target }: SpecialFile): boolean =>
    lstatSync(rawPath(target), { throwIfNoEntry: false }) !== undefined;
  return { made: files.filter(isThere), problems };
}

/** Through standard input, since names are bytes and arguments are text. Problems in words. */
async function call(
  command: readonly [string, ...string[]],
  words: readonly ByteString[],
  run: Run,
): Promise<string[]> {
  const options = { timeoutMs: TIMEOUT_MS, input: Buffer.from(words.join("\0"), "latin1") };
  try {
    const { exitCode, stderr } = await exec(command, options, run);
    return exitCode === 0 ? [] : stderr.trim().split("\n");
  } catch (error) {
    run.signal.throwIfAborted();
    if (error instanceof AppError) return [error.message];
    throw error;
  }
}

/** Linux keeps both numbers of a device in one; see makedev(3). */
function kindOf({ type, device }: TreeNode): string[] {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn);
  return [type === "chardev" ? "c" : "b", String(major), String(minor)];
}

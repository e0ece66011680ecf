import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { exec } from "../../base/exec.ts";
import { type ByteString, toText } from "../format/go-string.ts";
import type { TreeNode } from "../format/tree.ts";

export type SpecialFile = { readonly target: ByteString; readonly node: TreeNode };

const TIMEOUT_MS = 60_000;

/** Makes pipes and devices, for which Node has no function; returns in words what could not be. */
export async function makeSpecialFiles(
  files: readonly SpecialFile[],
  run: Run,
): Promise<{ made: readonly SpecialFile[]; problems: readonly string[] }> {
  const made: SpecialFile[] = [];
  const problems: string[] = [];
  for (const file of files) {
    const problem = await make(file, run);
    if (problem === undefined) made.push(file);
    else problems.push(`${toText(file.target)}: ${problem}`);
  }
  return { made, problems };
}

async function make({ target, node }: SpecialFile, run: Run): Promise<string | undefined> {
  // Through standard input: names are bytes, arguments are text.
  const words = [target, ...kindOf(node)].join("\0");
  const options = { timeoutMs: TIMEOUT_MS, input: Buffer.from(words, "latin1") };
  try {
    const { exitCode, stderr } = await exec(["xargs", "-0", "mknod"], options, run);
    return exitCode === 0 ? undefined : stderr.trim();
  } catch (error) {
    run.signal.throwIfAborted();
    if (error instanceof AppError) return error.message;
    throw error;
  }
}

/** Linux keeps both numbers of a device in one; see makedev(3). */
function kindOf({ type, device }: TreeNode): string[] {
  if (type === "fifo") return ["p"];
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn);
  return [type === "chardev" ? "c" : "b", String(major), String(minor)];
}

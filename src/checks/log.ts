import { open, stat } from "node:fs/promises";
import type { Clock } from "../base/clock.ts";
import { nothingThere } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { exec } from "../base/exec.ts";
import { bad, type Check, GOOD, unknown } from "./check.ts";

export type LogCheckConfig = {
  readonly from: { readonly file: string } | { readonly unit: string };
  /** A line that it matches is bad. */
  readonly bad: RegExp;
  readonly clock: Clock;
  readonly timeoutMs: number;
};

/** Without a beginning, so much of the past is looked at. */
const RECENT_MS = 10 * 60_000;
const READ_BYTES_MAX = 4 * 1024 * 1024;
const TOLD_CHARACTERS_MAX = 200;

/** Good when no line that came since the beginning is bad; unknown when the log cannot be read. */
export function logCheck({ from, bad: pattern, clock, timeoutMs }: LogCheckConfig): Check {
  let since: { readonly at: Date; readonly offset: number; readonly inode: number } | undefined;

  const readFileSince = async (file: string): Promise<string | undefined> => {
    const now = await stat(file).catch(nothingThere);
    if (now === undefined) return undefined;
    const isSame = since?.inode === now.ino && since.offset <= now.size;
    // A log that was rotated meanwhile is read from its start.
    const begin = isSame ? since!.offset : 0;
    const offset = since === undefined ? now.size : Math.max(begin, now.size - READ_BYTES_MAX);
    await using handle = await open(file, "r");
    const buffer = Buffer.alloc(now.size - offset);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
    return buffer.toString("utf8", 0, bytesRead);
  };

  const readJournal = async (unit: string, run: Run): Promise<string | undefined> => {
    const start = since?.at ?? new Date(clock.now().getTime() - RECENT_MS);
    const args = ["-u", unit, "-o", "cat", "--no-pager", `--since=@${start.getTime() / 1000}`];
    const options = { timeoutMs, outputBytesMax: READ_BYTES_MAX };
    const { exitCode, stdout } = await exec(["journalctl", ...args], options, run);
    return exitCode === 0 ? stdout : undefined;
  };

  return {
    async begin() {
      const now = "file" in from ? await stat(from.file).catch(nothingThere) : undefined;
      since = { at: clock.now(), offset: now?.size ?? 0, inode: now?.ino ?? 0 };
    },
    async ask(run) {
      try {
        const text =
          "file" in from ? await readFileSince(from.file) : await readJournal(from.unit, run);
        if (text === undefined) return unknown("there is no log");
        const line = text.split("\n").find((one) => pattern.test(one));
        return line === undefined ? GOOD : bad(`it says: ${line.slice(0, TOLD_CHARACTERS_MAX)}`);
      } catch (error) {
        run.signal.throwIfAborted();
        return unknown((error as Error).message);
      }
    },
  };
}

import { readFile } from "node:fs/promises";
import { nothingThere } from "../../base/errors.ts";
import { writeFileDurable } from "../../base/fs.ts";
import type { Version } from "../../slots/slot.ts";
import type { Mark } from "../target.ts";
import { markFile } from "./layout.ts";

/** What is known of a release; nothing where nothing was written, or what was is damaged. */
export async function readMark(root: string, version: Version): Promise<Mark> {
  const text = await readFile(markFile(root, version), "utf8").catch(nothingThere);
  try {
    return text === undefined ? {} : (JSON.parse(text) as Mark);
  } catch {
    // Neither good nor bad, then.
    return {};
  }
}

/** Changes what is known of a release; what the change does not name stays. */
export async function changeMark(root: string, version: Version, change: Mark): Promise<void> {
  const whole = { ...(await readMark(root, version)), ...change };
  await writeFileDurable(markFile(root, version), Buffer.from(JSON.stringify(whole)), "replace");
}

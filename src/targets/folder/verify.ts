import { readFile } from "node:fs/promises";
import path from "node:path";
import { systemClock } from "../../base/clock.ts";
import { nothingThere } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { writeFileDurable } from "../../base/fs.ts";
import type { Version } from "../../slots/slot.ts";
import type { Thoroughness } from "../target.ts";
import { manifestFile, releaseFolder, seenFile } from "./layout.ts";
import { findAll, type Found, type Item, readManifest, sha256Of } from "./manifest.ts";

/** By path, how a file looked when its bytes were last read and found to be right. */
type Seen = Readonly<Record<string, string>>;

/**
 * Compares a release with its manifest: what is missing, what is too much, what has another mode,
 * size, target or content. Only files that look otherwise than when they were last read are read
 * again, unless every byte is asked for.
 */
export async function verifyRelease(
  root: string,
  version: Version,
  thoroughness: Thoroughness,
  run: Run,
): Promise<string[]> {
  const manifest = await readManifest(manifestFile(root, version));
  if (manifest === undefined) return ["it has no manifest"];
  const folder = releaseFolder(root, version);
  const found = await findAll(folder).catch(nothingThere);
  if (found === undefined) return ["it is not there"];
  const before = thoroughness === "every-byte" ? {} : await readSeen(root, version);
  const seen: Record<string, string> = {};
  const problems: string[] = [];
  const startedMs = systemClock.now().getTime();
  for (const item of manifest) {
    run.signal.throwIfAborted();
    const there = found.get(item.path);
    found.delete(item.path);
    const problem =
      differenceOf(item, there) ?? (await contentProblem(item, there!, folder, before, run));
    if (problem !== undefined) problems.push(`${item.path} ${problem}`);
    else if (there?.type === "file") seen[item.path] = there.stamp;
  }
  for (const extra of found.keys()) problems.push(`${extra} does not belong to it`);
  const isNews = JSON.stringify(seen) !== JSON.stringify(before);
  if (problems.length === 0 && isNews) await remember(root, version, seen, startedMs);
  return problems;
}

function differenceOf(item: Item, there: Found | undefined): string | undefined {
  if (there === undefined) return "is missing";
  if (there.type !== item.type) return `is a ${there.type}, not a ${item.type}`;
  if (item.type === "link") {
    return (there as { target: string }).target === item.target ? undefined : "leads elsewhere";
  }
  if (there.mode !== item.mode) return `has mode ${there.mode}, not ${item.mode}`;
  if (item.type === "file" && there.type === "file" && there.size !== item.size) {
    return `has ${there.size} bytes, not ${item.size}`;
  }
  return undefined;
}

async function contentProblem(
  item: Item,
  there: Found,
  folder: string,
  seen: Seen,
  run: Run,
): Promise<string | undefined> {
  if (item.type !== "file" || there.type !== "file" || seen[item.path] === there.stamp) {
    return undefined;
  }
  const now = await sha256Of(path.join(folder, item.path), run);
  return now === item.sha256 ? undefined : "has other content";
}

async function readSeen(root: string, version: Version): Promise<Seen> {
  const text = await readFile(seenFile(root, version), "utf8").catch(nothingThere);
  try {
    return text === undefined ? {} : (JSON.parse(text) as Seen);
  } catch {
    // Then everything is read.
    return {};
  }
}

/** The kernel's clock goes in steps: what was written within one of them looks unchanged. */
const STEP_MS = 20;

async function remember(
  root: string,
  version: Version,
  seen: Seen,
  startedMs: number,
): Promise<void> {
  const beforeNs = BigInt(startedMs - STEP_MS) * 1_000_000n;
  const settled = Object.entries(seen).filter(
    ([, stamp]) => BigInt(stamp.split(":")[1] ?? "0") < beforeNs,
  );
  // That it cannot be written costs time later, and nothing else.
  await writeFileDurable(
    seenFile(root, version),
    Buffer.from(JSON.stringify(Object.fromEntries(settled))),
    "replace",
  ).catch(() => {});
}

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { folderBackend } from "../../src/backends/folder.ts";
import { openRepository } from "../../src/repository/repository.ts";
import { applyPolicy, type KeepPolicy } from "../../src/repository/retention.ts";
import { newRepository } from "../support/repository.ts";
import { PASSWORD, restic, resticVersion } from "../support/restic.ts";
import { skipWithout } from "../support/servers.ts";
import { quietRun, temporaryFolder } from "../support/temporary.ts";

// Goal: for the same points and policy, lastgood and restic keep the same, for the same reasons.
// Method: snapshots at times that are hard (ends of years, ISO weeks, several a day), judged by both.

const run = quietRun();
const skip = skipWithout(resticVersion(), "restic");

const TIMES = [
  "2024-12-29T23:59:59Z",
  "2024-12-30T00:00:00Z",
  "2024-12-31T12:00:00Z",
  "2025-01-01T00:00:01Z",
  "2025-01-05T23:00:00Z",
  "2025-01-06T01:00:00Z",
  "2025-02-28T10:00:00Z",
  "2025-02-28T11:00:00Z",
  "2025-03-01T00:30:00Z",
  "2025-12-28T08:00:00Z",
  "2025-12-31T23:59:00Z",
  "2026-01-01T00:01:00Z",
  "2026-01-04T05:00:00Z",
  "2026-06-01T00:00:00Z",
  "2026-06-01T00:20:00Z",
  "2026-06-07T03:00:00Z",
  "2026-06-08T03:00:00Z",
];

const POLICIES: readonly KeepPolicy[] = [
  { daily: 7, weekly: 4, monthly: 6 },
  { last: 3 },
  { last: 1, yearly: 10 },
  { hourly: 4, daily: 2 },
  { weekly: 100 },
  { weekly: 5, yearly: 2 },
  { monthly: "all" },
  { daily: 1, monthly: 20 },
  { hourly: "all" },
];

type Verdict = {
  keep: { id: string }[];
  reasons: { snapshot: { time: string }; matches: string[] }[];
};

test("keeps what restic keeps, for the same reasons", { skip }, async () => {
  await using temporary = await temporaryFolder();
  const repo = path.join(temporary.path, "repo");
  const source = path.join(temporary.path, "source");
  await mkdir(source);
  await writeFile(path.join(source, "file"), "content");
  const made = await newRepository(repo, run);
  for (const time of TIMES) {
    await made.write(undefined, run, async (writer) => {
      await writer.tree("source", source, {});
      await writer.commit({ time: new Date(time), paths: [source], hostname: "h" });
    });
  }
  const repository = await openRepository(folderBackend(repo), PASSWORD, {}, run);
  const snapshots = await repository.snapshots(run);
  for (const policy of POLICIES) {
    const flags = Object.entries(policy).flatMap(([period, count]) => [
      `--keep-${period}`,
      count === "all" ? "1000000" : String(count),
    ]);
    const output = await restic(repo, "forget", "--dry-run", "--json", ...flags);
    const [group] = JSON.parse(output.trim().split("\n").at(-1)) as Verdict[];
    const theirs = new Map(group!.reasons.map((r) => [r.snapshot.time, r.matches]));
    // The oldest is kept for its period by restic since 0.16 only; Debian's is older.
    const isOld = (reason: string): boolean => reason.startsWith("oldest ");
    const ours = new Map(
      applyPolicy(snapshots, policy)
        .map(({ item, reasons }) => ({ item, reasons: reasons.filter((r) => !isOld(r)) }))
        .filter(({ reasons }) => reasons.length > 0)
        .map(({ item, reasons }) => [item.time, reasons]),
    );
    const byId = (map: Map<string, readonly string[]>): object =>
      Object.fromEntries([...map].toSorted(([a], [b]) => a.localeCompare(b)));
    assert.deepEqual(byId(ours), byId(theirs), JSON.stringify(policy));
  }
});

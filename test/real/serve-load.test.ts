import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { HealthHistory } from "../../src/operations/watch/health-history.ts";
import type { System } from "../../src/operations/system.ts";
import { put } from "../support/files.ts";
import { httpReceiver } from "../support/receivers.ts";
import { startServing } from "../support/serving.ts";
import { newSystem } from "../support/system.ts";
import { temporaryFolder } from "../support/temporary.ts";

// Goal: with 10,000 points, a year of what checks said, 10,000 operations and 50 clients on the event
// stream the pages are quick and the service small; and whoever waits for its sign of life misses it.

const POINTS = 10_000;
const CLIENTS = 50;
const PAGE_MS_MAX = 300;
const BYTES_MAX = 150 * 1024 * 1024;
const YEAR_MS = 365 * 86_400_000;
const SERVE = { serve: { listen: "127.0.0.1:0" } };

function fill(system: System): void {
  const now = Date.now();
  const at = (index: number): Date => new Date(now - YEAR_MS + (index * YEAR_MS) / POINTS);
  const stamp = (time: Date): string =>
    `${time.toISOString().slice(0, 19).replaceAll(/[-:]/g, "")}Z`;
  const points = Array.from({ length: POINTS }, (_, index) => ({
    stamp: stamp(at(index)),
    snapshot: index.toString(16).padStart(64, "0"),
    time: at(index).toISOString(),
    valid: index % 50 !== 0,
    errors: index % 50 === 0 ? ["files_missing"] : [],
    pinned: index % 500 === 0,
    stores: ["app/files", "app/db", "app/index"],
    releases: { app: "1.0.0" },
  }));
  writeFileSync(
    system.paths.catalogue,
    JSON.stringify({
      at: new Date(now).toISOString(),
      repository: system.config.repository.at,
      points,
    }),
  );
  for (const [index, { stamp: id, time }] of points.entries()) {
    system.journal.record({
      id: `${id}-${index}`,
      kind: index % 7 === 0 ? "check" : "backup",
      plan: { steps: [], ways: [] },
      setup: { components: {}, baseline: {} },
      started: time,
      ended: time,
      who: "scheduled",
      reason: "scheduled",
      outcome: index % 50 === 0 ? "aborted" : "committed",
      error: index % 50 === 0 ? "files_missing" : undefined,
    });
  }
  using history = new HealthHistory(system.paths.state);
  // One in twenty looks says something else than the one before.
  for (let index = 0; index < 5000; index++) {
    const verdict = index % 20 === 0 ? "bad" : "good";
    const looks = ["api", "runs", "version"].map(
      (check) => ({ component: "app", check, verdict, detail: "x" }) as const,
    );
    history.note(looks, new Date(now - YEAR_MS + (index * YEAR_MS) / 5000), YEAR_MS);
  }
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1]!;

test("10,000 points, a year of health, 50 listeners", { timeout: 180_000 }, async (t) => {
  await using temporary = await temporaryFolder();
  put(temporary.path, { "files/a": "a" });
  const component = { stores: { files: { folder: "files" } } };
  using system = await newSystem(temporary.path, component, SERVE);
  fill(system);
  await using serving = await startServing(temporary.path, system);
  const stop = new AbortController();
  const heard: number[] = [];
  const clients = Array.from({ length: CLIENTS }, async (_, client) => {
    const headers = { authorization: `Bearer ${serving.token("read")}` };
    const { body } = await fetch(`${serving.url}/api/v1/events`, { headers, signal: stop.signal });
    for await (const part of body!.pipeThrough(new TextDecoderStream())) {
      if (part.includes('"exit":0')) heard.push(client);
    }
  });
  await sleep(1000);
  const pages = [
    "home",
    "points?limit=100",
    "operations?limit=100",
    "timeline?days=365",
    "incidents",
    "drills",
    "runs",
  ];
  const figures: string[] = [];
  for (const page of [...pages.map((one) => `/api/v1/${one}`), "/metrics", "/"]) {
    const times: number[] = [];
    for (let tries = 0; tries < 5; tries++) {
      const begun = performance.now();
      assert.equal((await serving.ask(page)).status, 200, page);
      times.push(performance.now() - begun);
    }
    figures.push(`${page} ${Math.round(median(times))} ms`);
    assert(median(times) < PAGE_MS_MAX, `${page}: ${times.map(Math.round).join(" ")} ms`);
  }
  const { value } = await serving.ask("/api/v1/run/validate", {
    body: { point: "20200101T000000Z" },
  });
  assert.equal(typeof value["id"], "string");
  await serving.ask("/api/v1/run/backup", { body: {} });
  const deadline = performance.now() + 30_000;
  while (heard.length < CLIENTS && performance.now() < deadline) await sleep(100);
  assert.equal(new Set(heard).size, CLIENTS, "each of them heard of the backup's end");
  const memory = readFileSync(`/proc/${serving.pid}/status`, "utf8");
  const bytes = Number(/VmRSS:\s+(\d+) kB/.exec(memory)?.[1]) * 1024;
  t.diagnostic(`${figures.join(", ")}; ${Math.round(bytes / 1e6)} MB with ${CLIENTS} listeners`);
  assert(bytes < BYTES_MAX, `${bytes} bytes`);
  stop.abort();
  await Promise.allSettled(clients);
});

test(
  "whoever waits for a sign of life misses it once the service is killed",
  { timeout: 60_000 },
  async () => {
    await using temporary = await temporaryFolder();
    put(temporary.path, { "files/a": "a" });
    await using watch = await httpReceiver();
    const every = 300;
    const rest = { ...SERVE, "dead-man": { ping: `${watch.url}/ping`, every: `${every}ms` } };
    using system = await newSystem(
      temporary.path,
      { stores: { files: { folder: "files" } } },
      rest,
    );
    await using serving = await startServing(temporary.path, system);
    /** As services for this do: an alarm when nothing was heard for so long. */
    const isSilent = async (): Promise<boolean> => {
      const before = watch.received.length;
      await sleep(every * 5);
      return watch.received.length === before;
    };
    assert.equal(await isSilent(), false);
    await serving.kill("SIGKILL");
    assert.equal(await isSilent(), true);
  },
);

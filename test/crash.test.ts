import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { namesIn } from "../src/base/effects.ts";
import { AppError } from "../src/base/errors.ts";
import { systemClock } from "../src/base/clock.ts";
import { carryOut, type Executor, recoverOperation } from "../src/journal/carry-out.ts";
import { Journal, type Outcome } from "../src/journal/journal.ts";
import type { Step } from "../src/journal/plan.ts";
import { planChange } from "../src/journal/plan-change.ts";
import {
  discardVersion,
  finishStaging,
  isReady,
  type Place,
  placeInside,
  placeOf,
  stagingFolder,
  switchVersions,
} from "../src/slots/place.ts";
import { version } from "../src/slots/slot.ts";
import {
  alive,
  machineDyingAt,
  type Tick,
  ticking,
  TickingJournal,
} from "./support/dying-machine.ts";
import { EXHAUSTIVE_STEP } from "./support/exhaustive.ts";
import { quietRun, temporaryFolderInMemory } from "./support/temporary.ts";

// Goal: wherever the machine dies during a restore, once or twice, `recover` ends with every slot
// at the old data or every slot at the new, whole, and the application never ran on a mixture.
// Method: real files, and a machine that dies at its first moment, then at its second, and so on,
// until an operation gets through alive; for each of these, it dies again at each moment of the
// recovery. A moment passes before and after each change of a file and each write of the journal.

const OLD = version("before-op");
const NEW = version("20261121T030000Z");
const REJECTED = version("rejected-op");
const PLAN = planChange({
  stores: [
    { slot: "db", component: "app", to: NEW, displaced: OLD, rejected: REJECTED, ready: false },
    { slot: "index", component: "app", to: NEW, displaced: OLD, rejected: REJECTED, ready: false },
  ],
  components: ["app"],
});

type Content = Readonly<Record<string, string>>;

/** What each slot holds: a database with its companions, and a folder that is a mount point. */
const CONTENTS: Record<string, { old: Content; new: Content }> = {
  db: {
    old: { "app.db": "old rows", "app.db-wal": "old log", "app.db-shm": "old shared" },
    new: { "app.db": "new rows" },
  },
  index: { old: { a: "old a", b: "old b" }, new: { b: "new b", c: "new c" } },
};

/** What survives the death of the machine, besides the files. */
type World = { readonly folder: string; running: boolean; starts: string[] };

function places(world: World): Record<string, Place> {
  return {
    db: placeOf(path.join(world.folder, "data", "app.db"), ["-wal", "-shm"]),
    index: placeInside(path.join(world.folder, "index")),
  };
}

function live(place: Place): Content {
  const names = readdirSync(place.liveFolder).filter((name) => place.isLive(name));
  return Object.fromEntries(
    names.map((name) => [name, readFileSync(path.join(place.liveFolder, name), "utf8")]),
  );
}

/** "old", "new", or what is wrong. */
function stateOf(world: World): string {
  const states = Object.entries(places(world)).map(([slot, place]) => {
    const now = live(place);
    for (const which of ["old", "new"] as const) {
      try {
        assert.deepEqual(now, CONTENTS[slot]![which]);
        return which;
      } catch {
        // Then it is the other, or a mixture.
      }
    }
    return `mixed ${slot}: ${JSON.stringify(now)}`;
  });
  return [...new Set(states)].join(" and ");
}

function newWorld(folder: string): World {
  const world: World = { folder, running: true, starts: [] };
  mkdirSync(path.join(folder, "data"), { recursive: true });
  mkdirSync(path.join(folder, "index"));
  for (const [slot, place] of Object.entries(places(world))) {
    for (const [name, text] of Object.entries(CONTENTS[slot]!.old)) {
      writeFileSync(path.join(place.liveFolder, name), text);
    }
  }
  return world;
}

/** The acts of a restore on real files; the given act fails after having had its effect. */
function executorOf(world: World, tick: Tick, failing: Step["act"] | "nothing"): Executor {
  const effects = ticking(tick);
  const all = places(world);
  let failed = false;
  const act = async (step: Step): Promise<void> => {
    switch (step.act) {
      case "staged": {
        const place = all[step.slot]!;
        if (await isReady(place, step.version)) return;
        const staging = stagingFolder(place, step.version);
        await effects.removeTree(staging);
        await effects.makeFolder(staging);
        for (const [name, text] of Object.entries(CONTENTS[step.slot]!.new)) {
          tick();
          writeFileSync(path.join(staging, name), text);
        }
        return await finishStaging(place, step.version, effects);
      }
      case "verified":
        return assert(await isReady(all[step.slot]!, step.version));
      case "stopped":
        tick();
        world.running = false;
        return tick();
      case "active":
        assert(!world.running, "switched while the application ran");
        return await switchVersions(all[step.slot]!, step.version, step.displaced, effects);
      case "running":
        tick();
        world.running = true;
        world.starts.push(stateOf(world));
        return tick();
      case "healthy":
        return assert.match(stateOf(world), /^(old|new)$/);
      case "discarded":
        return await discardVersion(all[step.slot]!, step.version, effects);
      default:
        throw new Error(`a restore has no step ${step.act}`);
    }
  };
  return {
    journal: new TickingJournal(path.join(world.folder, "journal.db"), tick),
    clock: systemClock,
    async perform(step) {
      await act(step);
      if (step.act !== failing || failed) return;
      failed = true;
      throw new AppError("UNHEALTHY", `${step.act}: failed`);
    },
  };
}

async function run(
  world: World,
  moment: number,
  failing: Step["act"] | "nothing",
  how: "begin" | "recover",
): Promise<{ survived: boolean; outcome: Outcome | undefined }> {
  const machine = moment === 0 ? { tick: alive, isDead: () => false } : machineDyingAt(moment);
  const executor = executorOf(world, machine.tick, failing);
  using journal = executor.journal;
  let outcome: Outcome | undefined;
  try {
    if (how === "begin") {
      const facts = { kind: "restore", setup: {}, who: "test", reason: "" };
      journal.create({ id: "op", plan: PLAN, started: "2026-11-21T03:00:00Z", ...facts });
      ({ outcome } = await carryOut("op", executor, quietRun()));
    } else {
      for (const { id } of journal.unfinished()) {
        ({ outcome } = await recoverOperation(id, executor, quietRun()));
      }
    }
  } catch (error) {
    if (!machine.isDead()) throw error;
  }
  return { survived: !machine.isDead(), outcome };
}

async function verify(world: World, what: string): Promise<void> {
  using journal = new Journal(path.join(world.folder, "journal.db"));
  assert.deepEqual(journal.unfinished(), [], what);
  const { outcome } = journal.read("op");
  const expected = outcome === "committed" ? "new" : "old";
  assert.equal(stateOf(world), expected, `${what}: ${outcome}`);
  assert(world.running, `${what}: the application is down`);
  for (const start of world.starts) assert.match(start, /^(old|new)$/, `${what}: started on it`);
  for (const [slot, place] of Object.entries(places(world))) {
    const left = await namesIn(place.versionsFolder);
    // What the application may have written to before it went back is in no other copy.
    const ranOnNew = expected === "old" && world.starts.includes("new");
    const kept = expected === "new" ? [`=${OLD}`] : [`=${REJECTED}`];
    const isRight =
      left.length === 0 ? expected === "old" && !ranOnNew : left.join() === kept.join();
    assert(isRight, `${what}: left of ${slot}: ${left.join()}`);
  }
}

for (const failing of [
  "nothing",
  "staged",
  "verified",
  "stopped",
  "active",
  "running",
  "healthy",
] as const) {
  test(`dying anywhere, twice, ends whole when ${failing} fails`, async (t) => {
    await using temporary = await temporaryFolderInMemory();
    let deaths = 0;
    let number = 0;
    const fresh = (): World => {
      const folder = path.join(temporary.path, String(++number));
      return newWorld(folder);
    };
    for (let first = 1, survived = false; !survived; first++) {
      for (let second = 1, recovered = false; !recovered; second += EXHAUSTIVE_STEP) {
        const world = fresh();
        ({ survived } = await run(world, first, failing, "begin"));
        if (!survived) deaths++;
        const again = await run(world, survived ? 0 : second, "nothing", "recover");
        recovered = again.survived;
        if (!recovered) {
          deaths++;
          await run(world, 0, "nothing", "recover");
        }
        await verify(world, `died at ${first} and in recover at ${second}`);
        rmSync(world.folder, { recursive: true });
      }
    }
    t.diagnostic(`${deaths} deaths at ${number} pairs of moments, 0 violations`);
  });
}

import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { systemClock } from "../src/base/clock.ts";
import { AppError } from "../src/base/errors.ts";
import { carryOut, type Executor, recoverOperation } from "../src/journal/carry-out.ts";
import { Journal, type Outcome } from "../src/journal/journal.ts";
import type { Plan, Step } from "../src/journal/plan.ts";
import { planChange, type ReleaseSwitch } from "../src/journal/plan-change.ts";
import {
  finishStaging,
  isReady,
  type Place,
  placeOf,
  discardVersion,
  settle,
  stagingFolder,
  switchVersions,
} from "../src/slots/place.ts";
import { type Slot, version } from "../src/slots/slot.ts";
import { outsideSlot } from "../src/targets/folder/outside.ts";
import { folderTarget } from "../src/targets/folder/folder.ts";
import type { Entry } from "../src/targets/package/entry.ts";
import type { Target } from "../src/targets/target.ts";
import {
  alive,
  machineDyingAt,
  type Tick,
  ticking,
  TickingJournal,
} from "./support/dying-machine.ts";
import { EXHAUSTIVE_STEP } from "./support/exhaustive.ts";
import { quietRun, temporaryFolderInMemory } from "./support/temporary.ts";

// Goal: wherever the machine dies during a deploy or a rollback, once or twice, `current` leads to a
// whole release at every moment (I1), and `recover` ends with the release and the data that belong
// together, by the outcome that it tells.
// Method: real releases, links and data; a new release changes the data when it starts, and an old
// one that finds such data is a violation. It dies at each moment, and again at each of the recovery.

const FACTORY = version("1.0.0");
const OLD = version("1.1.0");
const NEW = version("1.2.0");
const BEFORE = version("before-op");
const REJECTED = version("rejected-op");
const EVIDENCE = version("1.2.0-20261121T030000Z-00000000");
const POINT = version("20261120T030000Z");

const RELEASE: ReleaseSwitch = {
  slot: "app",
  component: "app",
  to: NEW,
  from: OLD,
  fromIsSound: true,
  factory: FACTORY,
  evidence: EVIDENCE,
  previous: OLD,
  leavesBad: false,
};

const DATA = { slot: "app/db", component: "app", displaced: BEFORE, rejected: REJECTED };

/** A file of the releases that lies outside of them. */
const TOOL = { slot: "app:/tool", displaced: BEFORE };

const DEPLOY = planChange({
  stores: [],
  releases: [{ ...RELEASE, migrates: true }],
  saved: [DATA],
  components: ["app"],
});

const WITH_TOOL = planChange({
  stores: [
    { ...TOOL, component: "app", to: NEW, rejected: REJECTED, ready: false, isOfRelease: true },
  ],
  releases: [{ ...RELEASE, migrates: true, factoryFiles: [TOOL] }],
  saved: [DATA],
  components: ["app"],
});

/** From the new release, with the data of a point, back to the old one. */
const WITH_DATA = planChange({
  stores: [{ ...DATA, to: POINT, ready: false }],
  releases: [
    { ...RELEASE, to: OLD, from: NEW, evidence: undefined, previous: FACTORY, leavesBad: true },
  ],
  components: ["app"],
});

const BY_HAND = "by hand";

type World = { readonly folder: string; running: boolean; violations: string[] };

const root = ({ folder }: World): string => path.join(folder, "versions");
const placeIn = ({ folder }: World): Place => placeOf(path.join(folder, "data", "app.db"), []);
const toolFile = ({ folder }: World): string => path.join(folder, "bin", "tool");
const dataFile = ({ folder }: World): string => path.join(folder, "data", "app.db");
const liveIn = (world: World): string => readlinkSync(path.join(root(world), "current")).slice(1);

async function* entriesOf(release: string, tick: Tick): AsyncGenerator<Entry> {
  for (const name of ["VERSION", "bin/app"]) {
    tick();
    const content = (async function* () {
      yield Buffer.from(release);
    })();
    yield { type: "file", path: name, mode: 0o755, content };
  }
}

function targetOf(world: World, tick: Tick): Target {
  return folderTarget({
    name: "app",
    root: root(world),
    keep: 3,
    clock: systemClock,
    source: async (release) => ({ entries: entriesOf(release, tick), commands: [], mayLink: true }),
    effects: ticking(tick),
  });
}

/** I1, looked at in every moment. */
function watch(world: World): void {
  const file = path.join(root(world), "current", "VERSION");
  const complete = existsSync(file) && existsSync(path.join(root(world), "current", "bin/app"));
  if (!complete) world.violations.push("current leads to no whole release");
}

async function makeWorld(folder: string, live: string, data: string): Promise<void> {
  const world: World = { folder, running: true, violations: [] };
  mkdirSync(path.join(folder, "data"), { recursive: true });
  writeFileSync(dataFile(world), data);
  mkdirSync(path.join(folder, "bin"));
  writeFileSync(toolFile(world), BY_HAND);
  const target = targetOf(world, alive);
  const releases = live === NEW ? [FACTORY, OLD, NEW] : [FACTORY, OLD];
  for (const release of releases) {
    await target.stage(release, quietRun());
    await target.mark(release, { verdict: "good", committed: `2026-01-01T00:00:0${release}Z` });
  }
  await target.activate(version(live), version(live), quietRun());
  await target.promote(version(live), live === NEW ? OLD : FACTORY, undefined, quietRun());
  await ticking(alive).pointLink(path.join(root(world), "factory"), `v${FACTORY}`);
}

/** The new release makes of the data what only it can read. */
function startIt(world: World): void {
  const live = liveIn(world);
  const data = readFileSync(dataFile(world), "utf8");
  if (live === NEW) writeFileSync(dataFile(world), `new of ${data.replace("new of ", "")}`);
  else if (data.startsWith("new")) world.violations.push(`${live} was started on ${data}`);
}

async function stagePoint(world: World, tick: Tick): Promise<void> {
  const place = placeIn(world);
  if (await isReady(place, POINT)) return;
  const staging = stagingFolder(place, POINT);
  await ticking(tick).removeTree(staging);
  await ticking(tick).makeFolder(staging);
  writeFileSync(path.join(staging, "app.db"), "point");
  await finishStaging(place, POINT, ticking(tick));
}

async function saveIt(world: World, tick: Tick): Promise<void> {
  const place = placeIn(world);
  if (await isReady(place, BEFORE)) return;
  await ticking(tick).removeTree(stagingFolder(place, BEFORE));
  await ticking(tick).makeFolder(stagingFolder(place, BEFORE));
  writeFileSync(path.join(stagingFolder(place, BEFORE), "app.db"), readFileSync(dataFile(world)));
  await finishStaging(place, BEFORE, ticking(tick));
}

/** Acts on real files; releases that are `unwell` are not healthy. */
function executorOf(world: World, tickIt: Tick, unwell: ReadonlySet<string>): Executor {
  const tick = (): void => {
    watch(world);
    tickIt();
    watch(world);
  };
  const target = targetOf(world, tick);
  const effects = ticking(tick);
  const place = placeIn(world);
  const run = quietRun();
  const outside = { slot: TOOL.slot, path: toolFile(world), inRelease: "bin/app" };
  const tool = outsideSlot(root(world), outside, effects);
  const slotOf = (step: Step): Slot => ("slot" in step && step.slot === TOOL.slot ? tool : target);
  const isData = (step: Step): boolean => "slot" in step && step.slot === DATA.slot;
  const perform = async (step: Step): Promise<void> => {
    switch (step.act) {
      case "staged":
        return await (isData(step)
          ? stagePoint(world, tick)
          : slotOf(step).stage(step.version, run));
      case "verified":
        return isData(step)
          ? assert(await isReady(place, step.version))
          : await slotOf(step).verify(step.version, run);
      case "saved":
        return await saveIt(world, tick);
      case "stopped":
        tick();
        world.running = false;
        return tick();
      case "active":
        if (!isData(step)) return await slotOf(step).activate(step.version, step.displaced, run);
        assert(!world.running, "data were switched while the application ran");
        return await switchVersions(place, step.version, step.displaced, effects);
      case "migrated":
        tick();
        writeFileSync(dataFile(world), "new of old");
        return tick();
      case "readable": {
        await settle(place, effects);
        const isThere = await isReady(place, step.version);
        const isBegun = await isReady(place, step.displaced);
        const isNew = (): boolean => readFileSync(dataFile(world), "utf8").startsWith("new");
        if (!isThere || (!isBegun && !isNew())) return;
        return await switchVersions(place, step.version, step.displaced, effects);
      }
      case "running":
        tick();
        world.running = true;
        startIt(world);
        return tick();
      case "healthy":
        if (unwell.has(liveIn(world)))
          throw new AppError("UNHEALTHY", `${liveIn(world)} is unwell`);
        return;
      case "rejected":
        return await target.reject(step.version, step.evidence, run);
      case "discarded":
        return isData(step)
          ? await discardVersion(place, step.version, effects)
          : await slotOf(step).discard(step.version, run);
      case "promoted":
        return await target.promote(step.version, step.previous, step.left, run);
      case "thinned":
        return await target.thin([], run);
      default:
        throw new Error(`there is no step ${step.act} here`);
    }
  };
  const journal = new TickingJournal(path.join(world.folder, "journal.db"), tick);
  return { journal, clock: systemClock, perform };
}

async function liveThrough(
  world: World,
  plan: Plan,
  moment: number,
  unwell: ReadonlySet<string>,
  how: "begin" | "recover",
): Promise<boolean> {
  const machine = moment === 0 ? { tick: alive, isDead: () => false } : machineDyingAt(moment);
  const executor = executorOf(world, machine.tick, unwell);
  using journal = executor.journal;
  try {
    if (how === "begin") {
      const facts = { kind: "deploy", setup: {}, who: "test", reason: "" };
      journal.create({ id: "op", plan, started: "2026-11-21T03:00:00Z", ...facts });
      await carryOut("op", executor, quietRun());
    } else {
      for (const { id } of journal.unfinished()) await recoverOperation(id, executor, quietRun());
    }
  } catch (error) {
    if (!machine.isDead()) throw error;
  }
  return !machine.isDead();
}

type Case = {
  readonly name: string;
  readonly plan: Plan;
  readonly live: string;
  readonly data: string;
  readonly unwell: readonly string[];
  /** Of the moments of the recovery only so many: it has many more. */
  readonly every?: number;
  /** By outcome: the release that is live then, `previous`, and the data. */
  readonly ends: Readonly<
    Partial<Record<Outcome, readonly [live: string, previous: string, data: RegExp]>>
  >;
};

const BACK = [OLD, `v${FACTORY}`, /^old$/] as const;
const ON_FACTORY = [FACTORY, `v${FACTORY}`, /^old$/] as const;

const CASES: readonly Case[] = [
  {
    name: "a good deploy",
    plan: DEPLOY,
    live: OLD,
    data: "old",
    unwell: [],
    ends: { committed: [NEW, `v${OLD}`, /^new of old$/], aborted: BACK, "rolled-back": BACK },
  },
  {
    name: "a deploy that goes back to what was live",
    plan: DEPLOY,
    live: OLD,
    data: "old",
    unwell: [NEW],
    ends: { aborted: BACK, "rolled-back": BACK },
  },
  {
    name: "a deploy that goes back to factory",
    plan: DEPLOY,
    live: OLD,
    data: "old",
    unwell: [NEW, OLD],
    ends: { aborted: BACK, "rolled-back-to-factory": ON_FACTORY },
  },
  {
    name: "a deploy after which nothing is healthy",
    plan: DEPLOY,
    live: OLD,
    data: "old",
    unwell: [NEW, OLD, FACTORY],
    ends: { aborted: BACK, "needs-human": ON_FACTORY },
  },
  {
    name: "a deploy with a file outside that goes back to factory",
    plan: WITH_TOOL,
    live: OLD,
    data: "old",
    unwell: [NEW, OLD],
    every: 4,
    ends: { aborted: BACK, "rolled-back-to-factory": ON_FACTORY },
  },
  {
    name: "a rollback with data",
    plan: WITH_DATA,
    live: NEW,
    data: "new of old",
    unwell: [],
    ends: {
      committed: [OLD, `v${FACTORY}`, /^point$/],
      aborted: [NEW, `v${OLD}`, /^new of old$/],
      "rolled-back": [NEW, `v${OLD}`, /^new of old$/],
    },
  },
  {
    name: "a rollback with data that goes back to where it began",
    plan: WITH_DATA,
    live: NEW,
    data: "new of old",
    unwell: [OLD],
    ends: {
      aborted: [NEW, `v${OLD}`, /^new of old$/],
      "rolled-back": [NEW, `v${OLD}`, /^new of old$/],
    },
  },
];

function verify(world: World, { ends, plan }: Case, what: string): Outcome {
  using journal = new Journal(path.join(world.folder, "journal.db"));
  assert.deepEqual(journal.unfinished(), [], what);
  assert.deepEqual(world.violations, [], what);
  const { outcome } = journal.read("op");
  const end = ends[outcome!];
  assert(end !== undefined, `${what}: ended ${outcome}`);
  const [release, previous, data] = end;
  assert.equal(liveIn(world), release, `${what}: ${outcome}`);
  assert.equal(readlinkSync(path.join(root(world), "previous")), previous, `${what}: ${outcome}`);
  assert.match(readFileSync(dataFile(world), "utf8"), data, `${what}: ${outcome}`);
  const tool = plan === WITH_TOOL && release !== OLD ? release : BY_HAND;
  assert.equal(readFileSync(toolFile(world), "utf8"), tool, `${what}: ${outcome}: outside`);
  assert(world.running, `${what}: the application is down`);
  const isNewThere = existsSync(path.join(root(world), `v${NEW}`));
  if (outcome === "rolled-back-to-factory") assert(!isNewThere, `${what}: the bad one stayed`);
  const own = [
    ...readdirSync(path.join(root(world), ".lastgood")),
    ...readdirSync(path.dirname(toolFile(world)), { recursive: true, encoding: "utf8" }),
  ];
  assert(!own.some((name) => name.includes("~")), `${what}: left over: ${own.join()}`);
  return outcome!;
}

for (const one of CASES) {
  test(`I1, I5, trap-04: dying anywhere, twice, in ${one.name}, ends whole`, async (t) => {
    await using temporary = await temporaryFolderInMemory();
    const unwell = new Set(one.unwell);
    const outcomes: Record<string, number> = {};
    const step = EXHAUSTIVE_STEP * (one.every ?? 1);
    let deaths = 0;
    let number = 0;
    const template = path.join(temporary.path, "template");
    await makeWorld(template, one.live, one.data);
    for (let first = 1, survived = false; !survived; first++) {
      for (let second = 1, recovered = false; !recovered; second += step) {
        const folder = path.join(temporary.path, String(++number));
        cpSync(template, folder, { recursive: true, verbatimSymlinks: true });
        const world: World = { folder, running: true, violations: [] };
        survived = await liveThrough(world, one.plan, first, unwell, "begin");
        recovered = await liveThrough(world, one.plan, survived ? 0 : second, unwell, "recover");
        deaths += Number(!survived) + Number(!recovered);
        if (!recovered) await liveThrough(world, one.plan, 0, unwell, "recover");
        const outcome = verify(world, one, `died at ${first} and in recover at ${second}`);
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        rmSync(world.folder, { recursive: true });
      }
    }
    t.diagnostic(
      `${deaths} deaths at ${number} pairs of moments, 0 violations ${JSON.stringify(outcomes)}`,
    );
  });
}

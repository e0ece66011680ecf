import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import type { Writer } from "../repository/repository.ts";
import { readyFolder } from "../slots/place.ts";
import type { Version } from "../slots/slot.ts";
import { type Captured, errorWord, isFileStore, type Store } from "../stores/store.ts";
import type { OperationSetup } from "./begin.ts";
import { lockComponents } from "./operation-lock.ts";
import { listPoints, rememberPoints } from "./points/catalogue.ts";
import { nextStamp, type Point, pointsAmong, storePath } from "./points/point.ts";
import { type CapturedStore, captureStore, commitPoint, parentFor } from "./points/write-point.ts";
import { recordDone } from "./record.ts";
import { schemasOf } from "./releases/compatibility.ts";
import { discardAside, listSetAside, type SetAside, switchedStores } from "./set-aside.ts";
import type { System } from "./system.ts";

/** A repository that does not answer must not keep an operation that has ended from being told. */
const LOOK_MS_MAX = 20_000;

/**
 * Has what a release wrote, and what was given up when its data went back, in the repository: a safety
 * point for each, made once the application runs again. What could not be put there is told, and is
 * not freed; nothing is thrown, since what was to be done is done.
 */
export async function saveGivenUp(system: System, run: Run): Promise<void> {
  const tell = (message: string): void => run.report({ type: "warning", message });
  let at = "what lies aside is not known";
  try {
    const given = (await listSetAside(system, run)).flatMap(givenUp);
    if (given.length === 0) return;
    at = "whether what was given up is in a recovery point is not known";
    const saved = savedIn(await pointsSoon(system, run));
    for (const aside of given) {
      const missing = aside.stores.filter(({ store }) => !saved.has(idOf(aside, store)));
      if (missing.length === 0) continue;
      const { kind, id } = aside.operation;
      const names = missing.map(({ store }) => store.name).join(", ");
      at = `${names}: what ${kind} ${id} gave up is in no recovery point yet`;
      await saveOne(system, { ...aside, stores: missing }, run);
    }
  } catch (error) {
    // Whatever it was, the next one would find it too; it is tried again at the next occasion.
    const why = run.signal.aborted
      ? "the next operation puts it into one"
      : (error as Error).message;
    tell(`${at}: ${why}`);
  }
}

const idOf = ({ version }: SetAside, { name }: Store): string => `${version} ${name}`;

/** What of what was given up is in points, store by store. */
function savedIn(points: readonly Point[]): ReadonlySet<string> {
  return new Set(points.flatMap(({ aside, stores }) => stores.map((name) => `${aside} ${name}`)));
}

async function pointsSoon(system: System, run: Run): Promise<Point[]> {
  const signal = AbortSignal.any([run.signal, AbortSignal.timeout(LOOK_MS_MAX)]);
  return await listPoints(system, { ...run, signal });
}

/** Of a copy that was only made to be sure nothing is lost: the data went on from it. */
function givenUp(aside: SetAside): SetAside[] {
  const { operation, word, stores } = aside;
  const isRelease = (operation.setup as OperationSetup).release !== undefined;
  if (operation.outcome === undefined) return [];
  if (word === "rejected") return [aside];
  if (!isRelease || operation.outcome !== "committed") return [];
  const switched = new Set(switchedStores(operation));
  const own = stores.filter(({ store }) => switched.has(store.name));
  return own.length === 0 ? [] : [{ ...aside, stores: own }];
}

async function saveOne(system: System, aside: SetAside, run: Run): Promise<void> {
  const { operation, stores, version } = aside;
  const repository = await system.repository(run);
  using _lock = lockComponents(
    system.paths.locks,
    aside.components.map(({ name }) => name),
  );
  const points = await listPoints(system, run);
  const saved = savedIn(points);
  if (stores.every(({ store }) => saved.has(idOf(aside, store)))) return;
  const { stamp, time } = nextStamp(system.host.clock.now(), points);
  const reason = `what ${operation.kind} ${operation.id} gave up`;
  const parent = parentFor(stores, points);
  const { snapshot } = await repository.write(parent, run, async (writer, inner) => {
    const captured: CapturedStore[] = [];
    for (const open of stores) {
      const capture = (): Promise<Captured> => captureLying(open.store, version, writer, inner);
      captured.push(await captureStore(system, open, capture, inner));
    }
    const moment = {
      aside: version,
      files: {},
      warnings: [],
      releases: releasesThen(aside),
      schemas: await schemasOf({ stores }, inner, version),
    };
    return await commitPoint(system, stores, captured, { stamp, time, reason }, moment, writer);
  });
  await rememberPoints(system, [...points, ...pointsAmong([snapshot])]);
  recordDone(system, "safety point", reason, undefined);
}

/** What cannot be read as data is kept byte for byte. */
async function captureLying(
  store: Store,
  version: Version,
  into: Writer,
  run: Run,
): Promise<Captured> {
  const at = storePath(store.name);
  if (!isFileStore(store)) {
    const captured = await store.captureVersion(version, into, at, run);
    if (captured.facts !== undefined) return captured;
    const [why = "it cannot be read"] = captured.warnings;
    throw new AppError("SOURCE_FAILED", `read ${store.name} ${version}: ${why}`);
  }
  const folder = readyFolder(await store.place(), version);
  const captured = await store.captureLying?.(folder, into, at, run);
  // Without an error there was nothing, and that was allowed.
  if (captured !== undefined && (captured.facts !== undefined || captured.errors.length === 0)) {
    return { ...captured, facts: captured.facts ?? { bytes: 0, files: 0 } };
  }
  const { bytes } = await into.tree(`raw/${store.name}`, folder, {});
  return {
    facts: { bytes },
    errors: captured?.errors ?? [errorWord(store.name, "raw")],
    warnings: [...(captured?.warnings ?? []), `as it lay on the disk, below raw/${store.name}`],
  };
}

/** The release that wrote them. */
function releasesThen({ operation, word }: SetAside): Readonly<Record<string, string>> {
  const { release } = operation.setup as OperationSetup;
  const writer = word === "rejected" ? release?.to : release?.from;
  return release === undefined || writer === undefined ? {} : { [release.component]: writer };
}

/**
 * Frees what has been kept for undoing longer than the configuration says; what was given up only where it
 * is seen in a recovery point. What somebody else works on is left for the next time.
 */
export async function expireSetAside(system: System, run: Run): Promise<void> {
  const oldest = system.host.clock.now().getTime() - system.config["undo-for"];
  await saveGivenUp(system, run);
  const old = (await listSetAside(system, run)).filter(
    ({ operation: { outcome, started } }) =>
      outcome !== undefined && outcome !== "needs-human" && Date.parse(started) < oldest,
  );
  const isGiven = old.some((aside) => givenUp(aside).length > 0);
  const saved = isGiven ? savedIn(await pointsSoon(system, run).catch(() => [])) : new Set();
  for (const aside of old) {
    const given = givenUp(aside).flatMap(({ stores }) => stores);
    const free = aside.stores.filter(
      (open) => !given.includes(open) || saved.has(idOf(aside, open.store)),
    );
    if (free.length === 0) continue;
    try {
      using _lock = lockComponents(
        system.paths.locks,
        aside.components.map(({ name }) => name),
      );
      await discardAside({ ...aside, stores: free }, run);
    } catch (error) {
      run.signal.throwIfAborted();
      const message = `free ${aside.version}: ${(error as Error).message}`;
      run.report({ type: "warning", message });
    }
  }
}

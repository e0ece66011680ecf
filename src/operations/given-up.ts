import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import type { Writer } from "../repository/repository.ts";
import { readyFolder } from "../slots/place.ts";
import type { Version } from "../slots/slot.ts";
import { type Captured, errorWord, isFileStore, type Store } from "../stores/store.ts";
import type { OperationSetup } from "./begin.ts";
import { lockComponents } from "./operation-lock.ts";
import { listPoints, rememberPoints } from "./points/catalogue.ts";
import { nextStamp, pointsAmong, storePath } from "./points/point.ts";
import { type CapturedStore, captureStore, commitPoint, parentFor } from "./points/write-point.ts";
import { recordDone } from "./record.ts";
import { schemasOf } from "./releases/compatibility.ts";
import { keepOne, listSetAside, type SetAside, switchedStores } from "./set-aside.ts";
import type { System } from "./system.ts";

/**
 * Has what a release wrote, and what was given up when its data went back, in the repository: a safety
 * point for each, made once the application runs again. What could not be put there is told and
 * returned, and must not be freed; nothing is thrown, since what was to be done is done.
 */
export async function saveGivenUp(system: System, run: Run): Promise<ReadonlySet<Version>> {
  const onlyHere = new Set<Version>();
  for (const aside of await withoutPoint(system, run)) {
    try {
      await saveOne(system, aside, run);
    } catch (error) {
      onlyHere.add(aside.version);
      tellOnlyHere(aside, error, run);
    }
  }
  return onlyHere;
}

function tellOnlyHere({ operation, stores }: SetAside, error: unknown, run: Run): void {
  const { kind, id } = operation;
  const names = stores.map(({ store }) => store.name).join(", ");
  const message = `${names}: what ${kind} ${id} gave up is in no recovery point yet: ${(error as Error).message}`;
  run.report({ type: "warning", message });
}

/** What was given up and is, as far as is known, in no point. */
async function withoutPoint(system: System, run: Run): Promise<readonly SetAside[]> {
  try {
    const given = (await listSetAside(system, run)).flatMap(givenUp);
    if (given.length === 0) return [];
    const saved = await listPoints(system, run).catch(() => []);
    return given.filter(({ version }) => !saved.some(({ aside }) => aside === version));
  } catch (error) {
    const message = `what lies aside is not known: ${(error as Error).message}`;
    run.report({ type: "warning", message });
    return [];
  }
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
  using _lock = lockComponents(
    system.paths.locks,
    aside.components.map(({ name }) => name),
  );
  const points = await listPoints(system, run);
  if (points.some((point) => point.aside === version)) return;
  const { stamp, time } = nextStamp(system.host.clock.now(), points);
  const reason = `what ${operation.kind} ${operation.id} gave up`;
  const repository = await system.repository(run);
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
  recordDone(system, "backup", reason, undefined);
}

/** What cannot be read as data is kept byte for byte. */
async function captureLying(
  store: Store,
  version: Version,
  into: Writer,
  run: Run,
): Promise<Captured> {
  const at = storePath(store.name);
  const captured = await store.captureVersion?.(version, into, at, run);
  if (captured?.facts !== undefined) return captured;
  if (!isFileStore(store)) {
    const why = captured?.warnings[0] ?? "its kind cannot";
    throw new AppError("SOURCE_FAILED", `read ${store.name} ${version}: ${why}`);
  }
  const { bytes } = await into.tree(
    `raw/${store.name}`,
    readyFolder(await store.place(), version),
    {},
  );
  const errors = captured?.errors ?? [];
  return {
    facts: { bytes },
    errors: errors.length > 0 ? errors : [errorWord(store.name, "raw")],
    warnings: [
      ...(captured?.warnings ?? []),
      `as its bytes lay on the disk, below raw/${store.name}`,
    ],
  };
}

/** The release that wrote them. */
function releasesThen({ operation, word }: SetAside): Readonly<Record<string, string>> {
  const { release } = operation.setup as OperationSetup;
  const writer = word === "rejected" ? release?.to : release?.from;
  return release === undefined || writer === undefined ? {} : { [release.component]: writer };
}

/**
 * Frees what has been kept for undoing longer than the configuration says; what was given up only once
 * it is in a recovery point.
 */
export async function expireSetAside(system: System, run: Run): Promise<void> {
  const oldest = system.host.clock.now().getTime() - system.config["undo-for"];
  const all = await listSetAside(system, run);
  const onlyHere = await saveGivenUp(system, run);
  const held = new Set(
    all.filter(({ version }) => onlyHere.has(version)).map(({ operation }) => operation.id),
  );
  const ids = new Set(
    all
      .map(({ operation }) => operation)
      .filter(({ id }) => !held.has(id))
      .filter(({ outcome }) => outcome !== undefined && outcome !== "needs-human")
      .filter(({ started }) => Date.parse(started) < oldest)
      .map(({ id }) => id),
  );
  for (const id of ids) await keepOne(system, all, id, run);
}

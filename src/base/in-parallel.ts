import type { Run } from "./events.ts";

/** Works on all items, some at once. Stops taking new ones at the first failure, and throws it. */
export async function inParallel<T>(
  items: Iterable<T> | AsyncIterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  for await (const item of items) {
    const task: Promise<void> = work(item)
      .catch((error: unknown) => void failures.push(error))
      .finally(() => running.delete(task));
    running.add(task);
    if (running.size >= atOnce) await Promise.race(running);
    if (failures.length > 0) break;
  }
  await Promise.all(running);
  if (failures.length > 0) throw failures[0];
}

/** Does all at once. The first that fails ends the others, and is thrown when none is at work any more. */
export async function allAtOnce<T>(
  works: readonly ((run: Run) => Promise<T>)[],
  run: Run,
): Promise<T[]> {
  const stop = new AbortController();
  const inner = { ...run, signal: AbortSignal.any([run.signal, stop.signal]) };
  const failures: unknown[] = [];
  const all = works.map(async (work) => {
    try {
      return await work(inner);
    } catch (error) {
      failures.push(error);
      stop.abort();
      throw error;
    }
  });
  await Promise.allSettled(all);
  if (failures.length > 0) throw failures[0];
  return await Promise.all(all);
}

export type Started<T, R> = { readonly item: T; readonly result: Promise<R> };

/** Starts work on the next few items before they are asked for, and gives it in the order of the items. */
export function* startedAhead<T, R>(
  items: readonly T[],
  count: number,
  start: (item: T) => Promise<R>,
): Generator<Started<T, R>, void, undefined> {
  const started: Promise<R>[] = [];
  for (const [at, item] of items.entries()) {
    while (started.length < count && at + started.length < items.length) {
      const next = start(items[at + started.length]!);
      // It is heard of in its turn; whoever stops before that does not mind.
      next.catch(() => {});
      started.push(next);
    }
    yield { item, result: started.shift()! };
  }
}

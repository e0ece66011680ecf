import type { Core } from "../core.ts";
import { openPool, type Pool } from "./pool.ts";

// Threads that store nothing, and are as good as new for the next pool.

/** Threads that only read from a repository. */
export function openReadPool(core: Core): Pool {
  return open(core);
}

/** Threads that restore: while what one job has written goes to the disk, they do another. */
export function openRestorePool(core: Core): Pool {
  return open(core, { lanes: 2 });
}

/** A thread of one's own: it does its jobs one after the other, and may remember between them. */
export function openOwnThread(core: Core): Pool {
  return open(core, { threadsMax: 1 });
}

function open(
  { key, config, backend, threads }: Core,
  options: { lanes?: number; threadsMax?: number } = {},
): Pool {
  const { polynomial, version } = config;
  const setup = { key, polynomial, version, spoolFolder: backend.spoolFolder };
  return openPool(setup, threads, options);
}

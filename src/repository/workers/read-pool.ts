import type { Core } from "../core.ts";
import { openPool, type Pool } from "./pool.ts";

/** Threads that only read from a repository. */
export function openReadPool({ key, config, backend, threads }: Core): Pool {
  const { polynomial, version } = config;
  return openPool({ key, polynomial, version, spoolFolder: backend.spoolFolder }, threads);
}

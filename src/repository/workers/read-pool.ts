import assert from "node:assert/strict";
import type { Core } from "../core.ts";
import { openPool, type Pool } from "./pool.ts";

/** Threads that only read from a repository. */
export function openReadPool({ key, config, backend }: Core): Pool {
  const { polynomial, version } = config;
  const never = (): never => assert.fail("a reading thread stored something");
  return openPool(
    { key, polynomial, version, spoolFolder: backend.spoolFolder },
    { claim: never, pack: never },
  );
}

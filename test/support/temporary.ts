import { existsSync } from "node:fs";
import { mkdtempDisposable } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { Run } from "../../src/base/events.ts";

/** A folder that is gone at the end of the block. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  return await mkdtempDisposable(path.join(os.tmpdir(), "lastgood-test-"));
}

/** The same in memory where there is a place for that: for tests that sync thousands of times. */
export async function temporaryFolderInMemory(): Promise<
  AsyncDisposable & { readonly path: string }
> {
  const parent = existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir();
  return await mkdtempDisposable(path.join(parent, "lastgood-test-"));
}

/** A run whose events nobody hears. */
export function quietRun(signal: AbortSignal = new AbortController().signal): Run {
  return { signal, report: () => {} };
}

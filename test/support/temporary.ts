import { mkdtempDisposable } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { Run } from "../../src/base/events.ts";

/** A folder that is gone at the end of the block. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  return await mkdtempDisposable(path.join(os.tmpdir(), "lastgood-test-"));
}

/** A run whose events nobody hears. */
export function quietRun(signal: AbortSignal = new AbortController().signal): Run {
  return { signal, report: () => {} };
}

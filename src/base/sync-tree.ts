import type { Run } from "./events.ts";
import { execOk } from "./exec.ts";

const SYNC_MS_MAX = 30 * 60_000;

/**
 * What lies in the folder survives a crash once this returns. One call for the whole file system:
 * syncing a hundred thousand files one by one takes minutes.
 */
export async function syncTree(folder: string, run: Run): Promise<void> {
  await execOk(["sync", "-f", folder], { timeoutMs: SYNC_MS_MAX }, run);
}

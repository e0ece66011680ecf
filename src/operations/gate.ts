import { createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import { writeFileDurable } from "../base/fs.ts";
import type { StatePaths, System } from "./system.ts";

/**
 * Two files by which systemd knows whether components may start: `open` lies on the disk while an
 * operation is not ended, also after a power cut; `mayStart` lies in memory while we start them.
 */
export type Gate = { readonly open: string; readonly mayStart: string };

export function gateOf({ state }: Pick<StatePaths, "state">): Gate {
  const own = createHash("sha256").update(state).digest("hex").slice(0, 16);
  return { open: path.join(state, "open"), mayStart: `/run/lastgood/${own}` };
}

/** From here on nobody but lastgood starts the components. */
export async function closeGate(paths: Pick<StatePaths, "state">): Promise<void> {
  await writeFileDurable(gateOf(paths).open, Buffer.from(""), "replace");
}

/** Once nothing is open any more, whoever wants to may start them. */
export async function openGate({
  paths,
  journal,
}: Pick<System, "paths" | "journal">): Promise<void> {
  if (journal.unfinished().length > 0) return;
  await rm(gateOf(paths).open, { force: true });
}

/** Until disposed, units may start though the gate is closed. */
export function letStart({ mayStart }: Gate): Disposable {
  try {
    mkdirSync(path.dirname(mayStart), { recursive: true, mode: 0o755 });
    writeFileSync(mayStart, "");
  } catch {
    // Not root: then no unit was installed that asks for it.
  }
  return { [Symbol.dispose]: () => rmSync(mayStart, { force: true }) };
}

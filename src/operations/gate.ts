import { createHash } from "node:crypto";
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import { writeFileDurable } from "../base/fs.ts";
import type { Run } from "../base/events.ts";
import { hostFacts } from "../base/host.ts";
import type { Runner } from "../runners/runner.ts";
import type { StatePaths, System } from "./system.ts";
import { componentsOf } from "./unfinished.ts";

/**
 * Two files by which systemd knows whether a component may start: `open` lies on the disk while an
 * operation on it is not ended, also after a power cut; `mayStart` is there while we start it.
 */
export type Gate = { readonly open: string; readonly mayStart: string };

/** Has a file for each component with an open operation. */
export function gatesFolder({ state }: Pick<StatePaths, "state">): string {
  return path.join(state, "gates");
}

export function gateOf(paths: Pick<StatePaths, "state">, component: string): Gate {
  const own = createHash("sha256").update(paths.state).digest("hex").slice(0, 16);
  return {
    open: path.join(gatesFolder(paths), component),
    mayStart: `/run/lastgood/${own}-${component}`,
  };
}

/** From here on nobody but lastgood starts these components. */
export async function closeGates(
  paths: Pick<StatePaths, "state">,
  components: readonly string[],
): Promise<void> {
  for (const name of components) {
    await writeFileDurable(gateOf(paths, name).open, Buffer.from(""), "replace");
  }
}

/** Components of which nothing is open any more may be started by whoever wants to. */
export async function openGates(
  { paths, journal }: Pick<System, "paths" | "journal">,
  components: readonly { readonly name: string; readonly runner?: Runner | undefined }[],
  run: Run,
): Promise<void> {
  const closed = new Set(journal.unfinished().flatMap((operation) => componentsOf(operation)));
  // Whatever was cancelled is over: what it barred is not to stay so.
  const toTheEnd = { ...run, signal: new AbortController().signal };
  for (const { name, runner } of components) {
    if (closed.has(name)) continue;
    await rm(gateOf(paths, name).open, { force: true });
    await runner?.unbar?.(toTheEnd).catch((error: unknown) => {
      const message = `${name} may not start by itself: ${(error as Error).message}`;
      run.report({ type: "warning", message });
    });
  }
}

/**
 * Until disposed, and while this process lives, units may start though the gate is closed: the link
 * leads to what only is there as long as we are.
 */
export function letStart({ mayStart }: Gate): Disposable {
  const remove = (): void => rmSync(mayStart, { force: true });
  try {
    mkdirSync(path.dirname(mayStart), { recursive: true, mode: 0o755 });
    remove();
    symlinkSync(`/proc/${hostFacts().pid}/comm`, mayStart);
  } catch {
    // Not root: then no unit was installed that asks for it.
  }
  return { [Symbol.dispose]: remove };
}

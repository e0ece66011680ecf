import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Effects } from "../base/effects.ts";
import { AppError, nothingThere } from "../base/errors.ts";
import type { Command } from "../base/exec.ts";
import type { Writer } from "../repository/repository.ts";
import { dumpMetadata, orUnreadable } from "./capturing.ts";
import { isServers } from "./database/common.ts";
import type { Tools } from "./database/tools.ts";
import {
  type Captured,
  errorWord,
  type ServerStore,
  type StoreContext,
  type StoreVersions,
} from "./store.ts";
import { versionFiles } from "./version-files.ts";

export type CommandConfig = {
  /** Prints all the data. */
  readonly dump: Command;
  /** Takes what `dump` printed, and makes it all the data that there are. */
  readonly load: Command;
  /** Ends with 0 when what it is given can be loaded; undefined: nobody looks. */
  readonly check: Command | undefined;
  readonly tools: Tools;
  /** A local folder, where versions lie as files. */
  readonly folder: string;
};

const DATA = "data";

/**
 * Data that only programs can read and write: a stream out, a stream in. Its versions lie as files on
 * this machine, so that going back needs no repository; loading one replaces what is live in place.
 */
export function commandStore(
  config: CommandConfig,
  { name, now, effects }: StoreContext,
): ServerStore {
  const { dump, tools } = config;
  return {
    kind: "command",
    name,
    where: dump.join(" "),
    capture: (into, at, run) => capture(tools.read(dump, run), name, now, into, at),
    captureVersion: (version, into, at) =>
      capture(
        createReadStream(versionFiles(config.folder, effects).fileOf(version)),
        name,
        now,
        into,
        at,
      ),
    loss: async () => ["what was written since"],
    versions: versionsIn(config, name, effects, tools),
  };
}

async function capture(
  source: AsyncIterable<Uint8Array>,
  name: string,
  now: () => Date,
  into: Writer,
  at: string,
): Promise<Captured> {
  const metadata = dumpMetadata(now);
  return await orUnreadable(name, isServers, async () => {
    const { sizeBytes } = await into.stream(`${at}/${DATA}`, source, metadata);
    // Nothing is what a program prints that has failed without saying so.
    const errors = sizeBytes === 0 ? [errorWord(name, "empty")] : [];
    return { facts: { bytes: sizeBytes }, errors, warnings: [] };
  });
}

function versionsIn(
  { dump, load, check, folder }: CommandConfig,
  name: string,
  effects: Effects,
  tools: Tools,
): StoreVersions {
  const { fileOf, isReady, readyAmong, put, remove } = versionFiles(folder, effects);
  return {
    isReady,
    readyAmong,
    stage: (version, from, at) => put(version, from.stream(`${at}/${DATA}`)),
    async problemsOf(version, facts, run) {
      const found = await stat(fileOf(version)).catch(nothingThere);
      if (found === undefined) return [errorWord(name, "snapshot_missing")];
      if (facts !== undefined && facts.bytes !== found.size) return [errorWord(name, "is_cut")];
      if (check === undefined) return [];
      try {
        await tools.write(check, createReadStream(fileOf(version)), run);
        return [];
      } catch (error) {
        if (!isServers(error)) throw error;
        return [errorWord(name, "check_failed"), (error as Error).message];
      }
    },
    async activate(version, displaced, run) {
      if (!(await isReady(version))) return;
      if (!(await isReady(displaced))) {
        await put(displaced, tools.read(dump, run)).catch((error: unknown) => {
          // What was live has to be kept. What is given up is kept where that can be done.
          if (!isServers(error) || !displaced.startsWith("rejected-")) throw error;
          const message = `${name}: what is given up cannot be kept: ${(error as Error).message}`;
          run.report({ type: "warning", message });
        });
      }
      await tools.write(load, createReadStream(fileOf(version)), run);
      // Until it has been loaded to its end it stays: after a crash it is loaded again.
      await remove(version);
    },
    discard: remove,
    async save(version, run) {
      if (!(await isReady(version))) await put(version, tools.read(dump, run));
    },
    async copy(from, version) {
      if (await isReady(version)) return;
      if (!(await isReady(from))) {
        throw new AppError("NOT_FOUND", `copy ${name} ${from}: it is not there any more`);
      }
      await put(version, createReadStream(fileOf(from)));
    },
    settle: async () => {},
  };
}

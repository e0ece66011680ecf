import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import { AppError, hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { writeFileDurable } from "../../base/fs.ts";
import { CONFIG_NAME, type Loaded, parseConfig } from "../../config/load.ts";
import type { Config } from "../../config/schema.ts";
import { readSecret } from "../../config/secrets.ts";
import { BACKENDS } from "../../plugins.ts";
import type { Backend } from "../../backends/backend.ts";
import { openBackend } from "../open/backend.ts";
import type { Host } from "../system.ts";
import { findData, type FoundData } from "./find-data.ts";
import { type Kept, recoverySheet } from "./recovery-sheet.ts";
import { configFor } from "./write-config.ts";

export type Initialised = {
  readonly config: string;
  readonly repository: string;
  readonly keyFile: string;
  readonly recoverySheet: string;
  readonly found: FoundData;
};

export type Completed = { readonly config: string; readonly made: readonly string[] };

/**
 * Makes the repositories that a configuration names and that are not there yet: its own, and those
 * for copies; and the keys in files that they need. ALREADY_EXISTS when there is nothing to make.
 */
export async function completeInit(
  { config, file }: Loaded,
  env: Host["env"],
  run: Run,
): Promise<Completed> {
  const made: string[] = [];
  const { createRepository } = await import("../../repository/repository.ts");
  for (const repository of [config.repository, ...Object.values(config.copies)]) {
    const { at, password } = repository;
    try {
      await using backend = await openBackend(repository, config.state, env, run);
      if ("file" in password && !existsSync(password.file) && (await isEmpty(backend, run))) {
        await writeFileDurable(password.file, newKey(), "refuse");
        made.push(password.file);
      }
      await createRepository(backend, await readSecret(password, env, run), {}, run);
      made.push(at);
    } catch (error) {
      if (!hasCode(error, "ALREADY_EXISTS")) throw error;
    }
  }
  if (made.length === 0) {
    throw new AppError("ALREADY_EXISTS", `init ${file}: it is there, with all its repositories`, {
      hint: "Change the configuration, or move it away.",
    });
  }
  const sheet = path.join(path.dirname(file), SHEET_NAME);
  await writeFileDurable(sheet, Buffer.from(sheetOf(config)), "replace", 0o644);
  return { config: file, made: [...made, sheet] };
}

function sheetOf({ repository, copies }: Config): string {
  const kept = ({ at, password }: Config["repository"]): Kept => ({
    at,
    keyFile: "file" in password ? password.file : "in no file: see password in the configuration",
  });
  const others = Object.entries(copies).map(([name, copy]) => [name, kept(copy)] as const);
  return recoverySheet(kept(repository), Object.fromEntries(others));
}

const SHEET_NAME = "lastgood-recovery.txt";

const newKey = (): Buffer => Buffer.from(`${randomBytes(32).toString("base64url")}\n`);

/** Where a repository is, its key was lost and must not be replaced. */
async function isEmpty(backend: Backend, run: Run): Promise<boolean> {
  for await (const _ of backend.list("keys/", run)) return false;
  return true;
}

/** Writes a configuration for what is in a folder, a key, and an empty repository. ALREADY_EXISTS. */
export async function init(
  root: string,
  repository: string | undefined,
  run: Run,
): Promise<Initialised> {
  if (!existsSync(root)) {
    throw new AppError("NOT_FOUND", `init ${root}: there is no such folder`, {
      hint: "Name the folder of the application, or make it first.",
    });
  }
  const config = path.join(root, CONFIG_NAME);
  if (existsSync(config)) {
    throw new AppError("ALREADY_EXISTS", `init ${root}: ${CONFIG_NAME} is there`, {
      hint: "Without --repository, init makes the repositories that it names. Or move it away.",
    });
  }
  const sheet = path.join(root, SHEET_NAME);
  if (existsSync(sheet)) {
    throw new AppError("ALREADY_EXISTS", `init ${root}: ${SHEET_NAME} is there`, {
      hint: "It names a repository and its key, and what to do without lastgood.yaml. Move it away where they are needed no more.",
    });
  }
  const found = await findData(root, run);
  const keyFile = path.join(root, ".lastgood", "repository.key");
  const at = path.resolve(root, repository ?? path.join(".lastgood", "repository"));
  const text = configFor(found, {
    root,
    repository: repository === undefined ? ".lastgood/repository" : at,
    keyFile: ".lastgood/repository.key",
  });
  parseConfig(text, config);
  if (existsSync(keyFile)) {
    throw new AppError("ALREADY_EXISTS", `init ${root}: ${keyFile} is there`, {
      hint: "It may open a repository that is still needed. Move it away first.",
    });
  }
  const { createRepository } = await import("../../repository/repository.ts");
  const key = newKey();
  await writeFileDurable(keyFile, key, "refuse");
  await createRepository(await BACKENDS.folder(at), key.toString().trimEnd(), {}, run);
  await writeFileDurable(config, Buffer.from(text), "refuse", 0o644);
  await writeFileDurable(sheet, Buffer.from(recoverySheet({ at, keyFile }, {})), "refuse", 0o644);
  return { config, repository: at, keyFile, recoverySheet: sheet, found };
}

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { writeFileDurable } from "../../base/fs.ts";
import { CONFIG_NAME, parseConfig } from "../../config/load.ts";
import { BACKENDS } from "../../plugins.ts";
import { findData, type FoundData } from "./find-data.ts";
import { recoverySheet } from "./recovery-sheet.ts";
import { configFor } from "./write-config.ts";

export type Initialised = {
  readonly config: string;
  readonly repository: string;
  readonly keyFile: string;
  readonly recoverySheet: string;
  readonly found: FoundData;
};

/** Writes a configuration for what is in a folder, a key, and an empty repository. ALREADY_EXISTS. */
export async function init(
  root: string,
  repository: string | undefined,
  run: Run,
): Promise<Initialised> {
  const config = path.join(root, CONFIG_NAME);
  if (existsSync(config)) {
    throw new AppError("ALREADY_EXISTS", `init ${root}: ${CONFIG_NAME} is there`, {
      hint: "Change that one, or move it away.",
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
  const password = existsSync(keyFile) ? undefined : randomBytes(32).toString("base64url");
  if (password === undefined) {
    throw new AppError("ALREADY_EXISTS", `init ${root}: ${keyFile} is there`, {
      hint: "It may open a repository that is still needed. Move it away first.",
    });
  }
  const { createRepository } = await import("../../repository/repository.ts");
  await writeFileDurable(keyFile, Buffer.from(`${password}\n`), "refuse");
  await createRepository(await BACKENDS.folder(at), password, {}, run);
  await writeFileDurable(config, Buffer.from(text), "refuse", 0o644);
  const sheet = path.join(root, "lastgood-recovery.txt");
  await writeFileDurable(sheet, Buffer.from(recoverySheet(at, keyFile)), "replace", 0o644);
  return { config, repository: at, keyFile, recoverySheet: sheet, found };
}

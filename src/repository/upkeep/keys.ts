import { hash } from "node:crypto";
import { AppError, hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { key as toKey } from "../../backends/backend.ts";
import type { Core } from "../core.ts";
import { fileKey } from "../files.ts";
import { KDF_COST, makeKeyFile, parseKeyFile } from "../format/key-file.ts";

/** A password that opens the repository. */
export type KeyInfo = {
  readonly id: string;
  readonly created: string;
  readonly username: string;
  readonly hostname: string;
  /** Whether it is the one that was used now. */
  readonly current: boolean;
};

export async function listKeys(core: Core, run: Run): Promise<KeyInfo[]> {
  const keys: KeyInfo[] = [];
  for await (const { key } of core.backend.list("keys/", run)) {
    const id = key.slice("keys/".length);
    if (!/^[0-9a-f]{64}$/.test(id)) continue;
    const bytes = Buffer.from(await core.backend.get(key, "all", run));
    keys.push({ id, ...factsOf(bytes, id), current: id === core.keyId });
  }
  return keys.toSorted((a, b) => a.created.localeCompare(b.created));
}

function factsOf(bytes: Buffer, id: string): Pick<KeyInfo, "created" | "username" | "hostname"> {
  try {
    if (hash("sha256", bytes) !== id) throw new AppError("CORRUPT", "its name does not fit");
    const { created, username, hostname } = parseKeyFile(bytes);
    return { created, username, hostname };
  } catch (error) {
    // It is listed all the same, so that it can be removed.
    if (!hasCode(error, "CORRUPT") && !hasCode(error, "UNSUPPORTED")) throw error;
    return { created: "", username: "DAMAGED", hostname: "" };
  }
}

/** Adds a password; the ones that are there go on working. Returns the key's id. */
export async function addKey(core: Core, password: string, run: Run): Promise<string> {
  const { clock, host } = core;
  const facts = { created: clock.now(), host, cost: KDF_COST };
  const file = await makeKeyFile(core.key, password, facts);
  const id = hash("sha256", file);
  await core.backend.put(fileKey("keys", id), file, run);
  return id;
}

/** NOT_FOUND; REFUSED for the key in use, so that a repository always keeps one that was proven. */
export async function removeKey(core: Core, idPrefix: string, run: Run): Promise<string> {
  const all = await listKeys(core, run);
  if (!all.some(({ current }) => current)) {
    throw new AppError("REFUSED", `remove key ${idPrefix}: the key in use was removed meanwhile`, {
      hint: "This may be the last one. Open the repository again with a password that is left.",
    });
  }
  const found = all.filter(({ id }) => id.startsWith(idPrefix));
  const [key] = found;
  if (key === undefined || found.length > 1) {
    const problem = key === undefined ? "there is no such key" : "several keys begin so";
    throw new AppError("NOT_FOUND", `remove key ${idPrefix}: ${problem}`, {
      hint: "See the keys with: lastgood key list",
    });
  }
  if (key.current) {
    throw new AppError("REFUSED", `remove key ${idPrefix}: it is the one in use`, {
      hint: "Add another, use that, and then remove this one.",
    });
  }
  await core.backend.remove(toKey(`keys/${key.id}`), run);
  return key.id;
}

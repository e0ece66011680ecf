import { hash } from "node:crypto";
import { type Backend, key } from "../backends/backend.ts";
import { AppError, hasCode } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import type { Clock } from "../base/clock.ts";
import type { HostFacts } from "../base/host.ts";
import type { Core } from "./core.ts";
import type { MasterKey } from "./crypto/master-key.ts";
import { createStrongbox } from "./crypto/strongbox.ts";
import type { DamageLedger } from "./damage.ts";
import { fileKey, openFiles } from "./files.ts";
import { decodeConfig, encodeConfig, newConfig } from "./format/config.ts";
import {
  KDF_COST,
  type KdfCost,
  makeKeyFile,
  newMasterKey,
  openKeyFile,
} from "./format/key-file.ts";
import type { LockLedger } from "./lock.ts";
import type { Threads } from "./workers/threads.ts";

const CONFIG = key("config");
/** So many keys are tried with a password, as restic does. */
const KEYS_MAX = 20;

export type OpenOptions = {
  readonly clock: Clock;
  readonly host: HostFacts;
  /** Which ledger belongs to the repository of this id. */
  readonly ledger: (repositoryId: string) => LockLedger;
  readonly damage: DamageLedger;
  readonly threads: Threads;
};

/** Makes an empty repository. ALREADY_EXISTS when there is any trace of one. */
export async function createCore(
  backend: Backend,
  password: string,
  options: Pick<OpenOptions, "clock" | "host"> & { readonly cost?: KdfCost },
  run: Run,
): Promise<void> {
  await refuseTraces(backend, run);
  const master = newMasterKey();
  const { cost = KDF_COST, host, clock } = options;
  const keyFile = await makeKeyFile(master, password, { created: clock.now(), host, cost });
  await backend.put(fileKey("keys", hash("sha256", keyFile)), keyFile, run);
  // Last: a repository without it is none, and one with it is complete.
  const config = createStrongbox(master).seal(encodeConfig(newConfig()));
  await backend.put(CONFIG, config, run);
}

async function refuseTraces(backend: Backend, run: Run): Promise<void> {
  for (const prefix of ["config", "keys/", "snapshots/", "index/"]) {
    for await (const { key: found } of backend.list(prefix, run)) {
      throw new AppError(
        "ALREADY_EXISTS",
        `create repository ${backend.label}: ${found} is there`,
        {
          hint: "Use the repository that is there, or name an empty place.",
        },
      );
    }
  }
}

/** NOT_FOUND when there is none, WRONG_KEY when no key opens with the password. */
export async function openCore(
  backend: Backend,
  password: string,
  options: OpenOptions,
  run: Run,
): Promise<Core> {
  const sealedConfig = await loadConfig(backend, run);
  const { master, keyId } = await findKey(backend, password, run);
  const box = createStrongbox(master);
  const plain = box.open(Buffer.from(sealedConfig));
  if (plain === undefined) {
    throw new AppError("CORRUPT", `open ${backend.label}: the seal of its configuration is broken`);
  }
  const config = decodeConfig(plain, backend.label);
  const files = openFiles(backend, box, config.version);
  const { clock, host, damage, threads } = options;
  const ledger = options.ledger(config.id);
  return { backend, config, key: master, keyId, files, clock, host, ledger, damage, threads };
}

async function loadConfig(backend: Backend, run: Run): Promise<Uint8Array> {
  try {
    return await backend.get(CONFIG, "all", run);
  } catch (error) {
    if (!hasCode(error, "NOT_FOUND")) throw error;
    for await (const _ of backend.list("keys/", run)) {
      throw new AppError("CORRUPT", `open ${backend.label}: its file config is missing`, {
        hint: "There are keys, so it is a repository that lost a file. Put config back from a backup of this very folder; a copy under copies: is one of its own, and can be restored from.",
        cause: error,
      });
    }
    throw new AppError("NOT_FOUND", `open ${backend.label}: there is no repository`, {
      hint: "Look for a typing error in its address; lastgood init makes a new one.",
      cause: error,
    });
  }
}

async function findKey(
  backend: Backend,
  password: string,
  run: Run,
): Promise<{ master: MasterKey; keyId: string }> {
  let tried = 0;
  let damage: unknown;
  for await (const { key: name } of backend.list("keys/", run)) {
    const keyId = name.slice("keys/".length);
    if (!/^[0-9a-f]{64}$/.test(keyId) || tried === KEYS_MAX) continue;
    tried++;
    try {
      run.signal.throwIfAborted();
      const bytes = Buffer.from(await backend.get(name, "all", run));
      if (hash("sha256", bytes) !== keyId) {
        throw new AppError("CORRUPT", `open ${backend.label}: ${name} is damaged`, {
          hint: "Take this key file from a copy of the repository, or open it with another key.",
        });
      }
      const master = await openKeyFile(bytes, password);
      if (master !== undefined) return { master, keyId };
    } catch (error) {
      // Another key may be sound.
      if (!hasCode(error, "CORRUPT") && !hasCode(error, "UNSUPPORTED")) throw error;
      damage = error;
    }
  }
  if (tried === 0) throw new AppError("CORRUPT", `open ${backend.label}: it has no key file`);
  if (damage !== undefined && tried === 1) throw damage;
  const but = damage === undefined ? "" : `; and ${(damage as Error).message}`;
  throw new AppError(
    "WRONG_KEY",
    `open ${backend.label}: the password opens none of its sound keys${but}`,
    {
      hint: "Look which password or key file belongs to this repository. Blanks at the ends of a file are no part of a password.",
    },
  );
}

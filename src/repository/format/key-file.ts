import { randomBytes, scrypt } from "node:crypto";
import { AppError } from "../../base/errors.ts";
import type { HostFacts } from "../../base/host.ts";
import type { MasterKey } from "../crypto/master-key.ts";
import { createStrongbox } from "../crypto/strongbox.ts";

/** A key file as it lies in keys/: plain JSON around the sealed master key. */
export type KeyFile = {
  readonly created: string;
  readonly username: string;
  readonly hostname: string;
  readonly kdf: "scrypt";
  readonly N: number;
  readonly r: number;
  readonly p: number;
  readonly salt: string;
  readonly data: string;
};

/** What guessing a password costs. */
export type KdfCost = { readonly N: number; readonly r: number; readonly p: number };

/**
 * OWASP's equivalent of N = 2^17 in the memory restic allows itself (32 MiB): 0.2 s. restic tunes p
 * to the machine it runs on; a fixed cost opens as fast on the small device as it was made on the
 * large server.
 */
export const KDF_COST: KdfCost = { N: 32768, r: 8, p: 3 };

const SALT_BYTES = 64;
/** A key file that asks for more memory or time (some 30 s) would be a way to stop the program. */
const KDF_BYTES_MAX = 1024 ** 3;
const KDF_WORK_MAX = 2 ** 28;

export function newMasterKey(): MasterKey {
  return { encrypt: randomBytes(32), macK: randomBytes(16), macR: randomBytes(16) };
}

export async function makeKeyFile(
  master: MasterKey,
  password: string,
  facts: { created: Date; host: HostFacts; cost: KdfCost },
): Promise<Buffer> {
  const { created, host, cost } = facts;
  const salt = randomBytes(SALT_BYTES);
  const user = await deriveKey(password, salt, cost);
  const secret = JSON.stringify({
    mac: { k: base64(master.macK), r: base64(master.macR) },
    encrypt: base64(master.encrypt),
  });
  const file: KeyFile = {
    created: created.toISOString(),
    username: host.username,
    hostname: host.hostname,
    kdf: "scrypt",
    ...cost,
    salt: base64(salt),
    data: base64(createStrongbox(user).seal(Buffer.from(secret))),
  };
  return Buffer.from(JSON.stringify(file));
}

/** The master key, or undefined when the password does not open this key. CORRUPT. */
export async function openKeyFile(bytes: Buffer, password: string): Promise<MasterKey | undefined> {
  const { N, r, p, salt, data } = parseKeyFile(bytes);
  const user = await deriveKey(password, Buffer.from(salt, "base64"), { N, r, p });
  const secret = createStrongbox(user).open(Buffer.from(data, "base64"));
  if (secret === undefined) return undefined;
  const json = JSON.parse(secret.toString()) as {
    mac: { k: string; r: string };
    encrypt: string;
  };
  return {
    encrypt: Buffer.from(json.encrypt, "base64"),
    macK: Buffer.from(json.mac.k, "base64"),
    macR: Buffer.from(json.mac.r, "base64"),
  };
}

/** CORRUPT when it is no key file, UNSUPPORTED when it needs another way of deriving keys. */
export function parseKeyFile(bytes: Buffer): KeyFile {
  let file: Partial<KeyFile>;
  try {
    file = (JSON.parse(bytes.toString()) ?? {}) as Partial<KeyFile>;
  } catch (error) {
    throw new AppError("CORRUPT", "read key file: not JSON", { cause: error });
  }
  const { kdf, N = 0, r = 0, p = 0, salt, data } = file;
  if (kdf !== "scrypt") throw new AppError("UNSUPPORTED", `read key file: unknown kdf ${kdf}`);
  const isPower = N > 1 && Number.isInteger(Math.log2(N));
  const isWhole = [N, r, p].every((value) => Number.isInteger(value) && value > 0);
  const isBounded = isWhole && 128 * N * r <= KDF_BYTES_MAX && N * r * p <= KDF_WORK_MAX;
  if (!isPower || !isBounded || typeof salt !== "string" || typeof data !== "string") {
    throw new AppError("CORRUPT", "read key file: its parameters are damaged");
  }
  return file as KeyFile;
}

function deriveKey(password: string, salt: Buffer, cost: KdfCost): Promise<MasterKey> {
  const { N, r, p } = cost;
  // Node refuses from exactly its default limit of 32 MiB on, which is what N = 32768 takes.
  const options = { N, r, p, maxmem: 128 * N * r + 128 * r * p + 1024 * 1024 };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, 64, options, (error, bytes) => {
      if (error !== null) reject(error);
      else {
        resolve({
          encrypt: bytes.subarray(0, 32),
          macK: bytes.subarray(32, 48),
          macR: bytes.subarray(48, 64),
        });
      }
    });
  });
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

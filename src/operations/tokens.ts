import { hash, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import * as z from "zod";
import { AppError, nothingThere } from "../base/errors.ts";
import { waitForFileLock } from "../base/file-lock.ts";
import { makeFolderDurable, writeFileDurable } from "../base/fs.ts";
import type { System } from "./system.ts";

/** What somebody may do; each of them also what stands before it. */
export const SCOPES = ["read", "backup", "operate", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

const stored = z.strictObject({
  name: z.string(),
  scope: z.enum(SCOPES),
  sha256: z.string(),
  created: z.iso.datetime(),
  expires: z.iso.datetime().optional(),
});

/** A token as it is kept: only its hash, which suffices since nobody can guess 256 bits. */
export type Token = z.output<typeof stored>;

const PREFIX = "lg_";
const BYTES = 32;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$/;

const fileOf = ({ paths }: Pick<System, "paths">): string => path.join(paths.state, "tokens.json");

/** CORRUPT when the file is none of ours: nobody is let in then. */
export async function listTokens(system: Pick<System, "paths">): Promise<Token[]> {
  const text = await readFile(fileOf(system), "utf8").catch(nothingThere);
  if (text === undefined) return [];
  try {
    return z.array(stored).parse(JSON.parse(text));
  } catch (error) {
    throw new AppError("CORRUPT", `read ${fileOf(system)}: ${(error as Error).message}`, {
      hint: "Remove it, and make new tokens: lastgood token add",
      cause: error,
    });
  }
}

/** Makes a token and returns it: it can be seen this once only. ALREADY_EXISTS, USAGE. */
export async function addToken(
  system: System,
  name: string,
  scope: Scope,
  forMs: number | undefined,
): Promise<{ token: string; kept: Token }> {
  if (!NAME.test(name)) {
    throw new AppError("USAGE", `token add ${name}: letters, digits, and . _ @ -, at most 64`);
  }
  using _lock = await lock(system);
  const tokens = await listTokens(system);
  if (tokens.some((one) => one.name === name)) {
    throw new AppError("ALREADY_EXISTS", `token add ${name}: there is one of that name`, {
      hint: `Choose another name, or first: lastgood token remove ${name}`,
    });
  }
  const token = PREFIX + randomBytes(BYTES).toString("base64url");
  const now = system.host.clock.now();
  const expires = forMs === undefined ? undefined : new Date(now.getTime() + forMs).toISOString();
  const kept: Token = {
    name,
    scope,
    sha256: hash("sha256", token),
    created: now.toISOString(),
    ...(expires === undefined ? {} : { expires }),
  };
  await write(system, [...tokens, kept]);
  return { token, kept };
}

/** NOT_FOUND. */
export async function removeToken(system: System, name: string): Promise<void> {
  using _lock = await lock(system);
  const tokens = await listTokens(system);
  const left = tokens.filter((one) => one.name !== name);
  if (left.length === tokens.length) {
    throw new AppError("NOT_FOUND", `token remove ${name}: there is none`, {
      hint: "See them with: lastgood token list",
    });
  }
  await write(system, left);
}

/** Whose token it is; undefined: nobody's, or it has expired. */
export async function tokenOf(system: System, token: string): Promise<Token | undefined> {
  if (!token.startsWith(PREFIX)) return undefined;
  const sha256 = hash("sha256", token);
  const found = (await listTokens(system)).find((one) => one.sha256 === sha256);
  const isOver =
    found?.expires !== undefined && Date.parse(found.expires) <= system.host.clock.now().getTime();
  return isOver ? undefined : found;
}

export function includes(scope: Scope, wanted: Scope): boolean {
  return SCOPES.indexOf(scope) >= SCOPES.indexOf(wanted);
}

const LOCK_MS_MAX = 10_000;

/** Two who change them at once would lose what the other did. */
async function lock(system: System): Promise<Disposable> {
  await makeFolderDurable(system.paths.state);
  const found = await waitForFileLock(`${fileOf(system)}.lock`, LOCK_MS_MAX);
  if (found !== undefined) return found;
  throw new AppError("LOCKED", "token: somebody else is changing them", { hint: "Try again." });
}

async function write(system: System, tokens: readonly Token[]): Promise<void> {
  const bytes = Buffer.from(`${JSON.stringify(tokens, undefined, 1)}\n`);
  await writeFileDurable(fileOf(system), bytes, "replace", 0o600);
}

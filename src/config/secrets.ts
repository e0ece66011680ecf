import { readFile } from "node:fs/promises";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { execOk } from "../base/exec.ts";
import type { SecretReference } from "./schema.ts";

const COMMAND_MS = 30_000;

/**
 * Fetches a secret from where its reference says. Of a file and of what a command prints, blanks at either end
 * are no part of it: restic, which is to open the same repositories, takes them off too. NOT_FOUND; the
 * secret is in no message.
 */
export async function readSecret(
  reference: SecretReference,
  env: Readonly<Record<string, string | undefined>>,
  run: Run,
): Promise<string> {
  const secret = await fetchSecret(reference, env, run);
  if (secret !== "") return secret;
  throw new AppError("NOT_FOUND", `read secret ${describe(reference)}: it is empty`);
}

async function fetchSecret(
  reference: SecretReference,
  env: Readonly<Record<string, string | undefined>>,
  run: Run,
): Promise<string> {
  if ("env" in reference) return env[reference.env] ?? "";
  if ("command" in reference) {
    return (await execOk(reference.command, { timeoutMs: COMMAND_MS }, run)).trim();
  }
  try {
    return (await readFile(reference.file, "utf8")).trim();
  } catch (error) {
    throw new AppError(
      "NOT_FOUND",
      `read secret ${describe(reference)}: ${(error as Error).message}`,
      {
        hint: "Put the password there, or name another place.",
        cause: error,
      },
    );
  }
}

function describe(reference: SecretReference): string {
  if ("env" in reference) return `in $${reference.env}`;
  return "command" in reference ? `from ${reference.command[0]}` : `in ${reference.file}`;
}

import { access } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isNothing } from "../base/errors.ts";
import type { System } from "./system.ts";

/** What can be seen without opening the repository: an unplugged disk, a lost key. */
export async function whatIsAway({ config }: System): Promise<string[]> {
  const { at, password } = config.repository;
  const files = [
    ...(path.isAbsolute(at)
      ? [{ what: `the repository ${at}`, file: path.join(at, "config") }]
      : []),
    ...("file" in password ? [{ what: `the key ${password.file}`, file: password.file }] : []),
  ];
  const told = await Promise.all(
    files.map(async ({ what, file }) => {
      const found = await Promise.race([
        isThere(file),
        sleep(ANSWER_MS_MAX, "silent", UNREFERENCED),
      ]);
      if (found === "silent") return [`the disk of ${what} does not answer`];
      return found ? [] : [`${what} is not there: lastgood doctor`];
    }),
  );
  return told.flat();
}

/** Whoever cannot look says nothing. */
async function isThere(file: string): Promise<boolean> {
  return await access(file).then(
    () => true,
    (error: unknown) => !isNothing(error),
  );
}

/** A share whose server is away lets whoever looks wait for ever. */
const ANSWER_MS_MAX = 1000;
const UNREFERENCED = { ref: false };

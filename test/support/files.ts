import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "./temporary.ts";

/** A test with a folder of its own. */
export function testIn(
  name: string,
  work: (folder: string) => Promise<void>,
  skip: string | false = false,
): void {
  test(name, { skip, timeout: 60_000 }, async () => {
    await using temporary = await temporaryFolder();
    await work(temporary.path);
  });
}

/** Writes files by their paths below a folder. */
export function put(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), content);
  }
}

export const textOf = (...parts: string[]): string => fs.readFileSync(path.join(...parts), "utf8");

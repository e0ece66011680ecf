import { readFile } from "node:fs/promises";
import path from "node:path";
import * as z from "zod";
import { AppError, nothingThere } from "../base/errors.ts";

/** What a release may say of itself, as release.json in it. docs/releases.md explains it. */
const releaseFile = z.object({
  version: z.string().optional(),
  /** By store: what each migration that this release brings does to older releases. */
  migrations: z
    .record(z.string(), z.record(z.string(), z.enum(["additive", "breaking"])))
    .default({}),
  /** By store: the migrations, or fingerprints of schemas, with which this release can work. */
  reads: z.record(z.string(), z.array(z.string())).default({}),
  /** Run in the release's folder while the component is stopped, before the switch. */
  migrate: z.tuple([z.string().min(1)], z.string()).optional(),
});

export type ReleaseFile = z.output<typeof releaseFile>;

export const RELEASE_FILE = "release.json";

/** Undefined when the release says nothing. INVALID_PACKAGE when it cannot be understood. */
export async function readReleaseFile(folder: string): Promise<ReleaseFile | undefined> {
  const file = path.join(folder, RELEASE_FILE);
  const text = await readFile(file, "utf8").catch(nothingThere);
  if (text === undefined) return undefined;
  const problem = (what: string): AppError =>
    new AppError("INVALID_PACKAGE", `read ${file}: ${what}`, {
      hint: "docs/releases.md says what may stand there.",
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw problem((error as Error).message);
  }
  const { data, error } = releaseFile.safeParse(value);
  if (data !== undefined) return data;
  const [issue] = error.issues;
  throw problem(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
}

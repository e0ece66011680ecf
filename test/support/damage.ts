import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import path from "node:path";
import type { Repository, Snapshot } from "../../src/repository/repository.ts";
import { assertSameTrees } from "./compare-trees.ts";
import { backUp, newRepository } from "./repository.ts";
import { quietRun, temporaryFolder } from "./temporary.ts";

const run = quietRun();

/** A small repository, to be damaged. */
export type Place = AsyncDisposable & {
  readonly at: (below: string) => string;
  readonly repository: Repository;
  readonly snapshot: Snapshot;
};

/** A repository "repo" with one snapshot of "src": a pack of data and a smaller one of trees. */
export async function newPlace(): Promise<Place> {
  const temporary = await temporaryFolder();
  const at = (below: string): string => path.join(temporary.path, below);
  for (const name of ["src/in-a", "src/in-b"]) {
    fs.mkdirSync(at(name), { recursive: true });
    fs.writeFileSync(at(`${name}/file`), randomBytes(30_000));
  }
  const repository = await newRepository(at("repo"), run);
  return { ...temporary, at, repository, ...(await backUp(repository, at("src"), run)) };
}

/** All of "src" comes back out of it. */
export async function assertRestorable(
  { at, repository }: Place,
  snapshot: Snapshot,
): Promise<void> {
  const target = fs.mkdtempSync(at("out-"));
  await repository.read(snapshot, run, (reader) => reader.tree("src", target));
  assertSameTrees(target, at("src"));
}

/** The only pack of this type. */
export function packOf(type: "data" | "tree", { at }: Place): string {
  return packsIn(at("repo"))[type === "tree" ? 0 : 1]!;
}

/** Of a repository in a folder. */
export const largestPack = (repository: string): string => packsIn(repository).toReversed()[0]!;

/** The smallest first. */
export function packsIn(repository: string): string[] {
  const folder = path.join(repository, "data");
  return fs
    .readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => path.join(folder, name))
    .filter((file) => fs.statSync(file).isFile())
    .toSorted((a, b) => fs.statSync(a).size - fs.statSync(b).size);
}

/** Rewrites a file, though those of a repository are read-only. */
export function harm(file: string, change: (bytes: Buffer) => string | Uint8Array): void {
  fs.chmodSync(file, 0o600);
  fs.writeFileSync(file, change(fs.readFileSync(file)));
}

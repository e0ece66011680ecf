import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Reader, Writer } from "../../repository/repository.ts";
import type { Search } from "./client.ts";
import { create, type Definition, remove } from "./indices.ts";
import { loadDocuments } from "./load.ts";
import type { Snapshots } from "./snapshots.ts";

const LIST = "indices.json";

/** What a point has: by index what it is, and where its documents are. */
type Listed = {
  readonly indices: readonly { readonly index: string; readonly definition: Definition }[];
  /** Of the server's own repository; undefined: they lie beside this. */
  readonly snapshot?: { readonly repository: string; readonly name: string };
};

/** Where the documents of an index are in a point. */
export const documentsAt = (at: string, index: string): string => `${at}/documents/${index}.ndjson`;

/** What a point says of indices. */
export const listOf = (live: ReadonlyMap<string, Definition>): Listed["indices"] =>
  [...live].map(([index, definition]) => ({ index, definition }));

/** Puts what a point says of its indices beside them. */
export async function writeList(
  into: Writer,
  at: string,
  listed: Listed,
  metadata: Parameters<Writer["bytes"]>[2],
): Promise<void> {
  const json = Buffer.from(`${JSON.stringify(listed, undefined, 1)}\n`);
  await into.bytes(`${at}/${LIST}`, json, metadata);
}

/** Fills new indices with what a point has. NOT_FOUND, NO_SPACE. */
export async function fill(
  search: Search,
  snapshots: Snapshots | undefined,
  from: Reader,
  at: string,
  nameOf: (index: string) => string,
  run: Run,
): Promise<(readonly [string, Definition])[]> {
  const { indices, snapshot } = JSON.parse((await from.read(`${at}/${LIST}`)).toString()) as Listed;
  for (const { index } of indices) await remove(search, nameOf(index), run);
  if (snapshot !== undefined) {
    if (snapshots === undefined) {
      throw new AppError(
        "NOT_FOUND",
        `read snapshot ${snapshot.name}: no repository is configured`,
        {
          hint: `Its documents are in the server's own repository: snapshots: { repository: ${snapshot.repository} }`,
        },
      );
    }
    await snapshots.restore(
      snapshot.name,
      indices.map(({ index }) => index),
      nameOf,
      run,
    );
  } else {
    for (const { index, definition } of indices) {
      await create(search, nameOf(index), definition, run);
      await loadDocuments(search, nameOf(index), from.stream(documentsAt(at, index)), run);
    }
  }
  return indices.map(({ index, definition }) => [index, definition] as const);
}

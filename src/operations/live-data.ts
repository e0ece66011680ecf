import { existsSync } from "node:fs";
import path from "node:path";
import { isReadOnly } from "../base/fs.ts";
import { type FileStore, isFileStore } from "../stores/store.ts";
import type { OpenStore } from "./components.ts";

/** Live data that have to be there and are not. */
export function missingStores(stores: readonly OpenStore[]): FileStore[] {
  return stores
    .filter(({ config }) => !config.optional)
    .map(({ store }) => store)
    .filter(isFileStore)
    .filter(({ livePath }) => !existsSync(livePath));
}

/** Live data on disks that nobody can write to. */
export function readOnlyStores(stores: readonly OpenStore[]): FileStore[] {
  return stores
    .map(({ store }) => store)
    .filter(isFileStore)
    .filter(({ livePath }) => isReadOnly(path.dirname(livePath)));
}

import type { Run } from "../../base/events.ts";
import {
  type AttributesByPath,
  type ExtendedAttribute,
  readAttributes,
} from "../../base/attributes.ts";
import type { ByteString } from "../format/go-string.ts";
import { isSameTime } from "../format/go-time.ts";
import type { TreeNode } from "../format/tree.ts";

type Known = readonly ExtendedAttribute[];

/** The extended attributes of what is walked over, asked for many at a time. */
export type AttributeBatches = {
  /** Those of the parent where nothing of the entry has changed; else once they are read. */
  of(path: ByteString, node: TreeNode, before: TreeNode | undefined): Known | Promise<Known>;
  /** Starts what still waits for a batch to fill up. */
  flush(): void;
};

const BATCH_PATHS = 2000;
const NONE: Known = [];

export function createAttributeBatches(
  run: Run,
  /** Told once, when there is no program to read them with. */
  unavailable: () => void,
  /** Whether what the parent has of them can be relied on. */
  parentHasThem: boolean,
): AttributeBatches {
  let paths: ByteString[] = [];
  let result = Promise.withResolvers<AttributesByPath | undefined>();
  let running: Promise<void> = Promise.resolve();
  let isAvailable = true;

  const answer = async (
    batch: readonly ByteString[],
    before: Promise<void>,
    resolve: (found: AttributesByPath | undefined) => void,
  ): Promise<void> => {
    await before;
    const found = isAvailable ? await readAttributes(batch, run) : undefined;
    if (found === undefined && isAvailable) {
      isAvailable = false;
      unavailable();
    }
    resolve(found);
  };

  const flush = (): void => {
    if (paths.length === 0) return;
    const [batch, { resolve, reject, promise }] = [paths, result];
    paths = [];
    result = Promise.withResolvers();
    promise.catch(() => {});
    // One after the other: the walk is faster than the programs.
    running = answer(batch, running, resolve);
    running.catch(reject);
  };

  return {
    flush,
    of(path, node, before) {
      const isSame =
        parentHasThem &&
        before !== undefined &&
        before.inode === node.inode &&
        isSameTime(before.ctime, node.ctime);
      if (isSame) return before.extendedAttributes;
      if (!isAvailable) return NONE;
      paths.push(path);
      const { promise } = result;
      if (paths.length >= BATCH_PATHS) flush();
      const known = promise.then((found) => found?.get(path) ?? NONE);
      // Whoever needs them hears of a failure; when the walk has ended early nobody does.
      known.catch(() => {});
      return known;
    },
  };
}

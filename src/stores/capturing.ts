import type { AppError } from "../base/errors.ts";
import type { FileMetadata } from "../repository/repository.ts";
import { type Captured, errorWord } from "./store.ts";

// What captures of data have in common that do not lie as files on this machine.

/** How a dump looks in a point: nobody else's to read. */
export function dumpMetadata(now: () => Date): FileMetadata {
  return { mode: 0o100600, uid: 0, gid: 0, mtimeNs: BigInt(now().getTime()) * 1_000_000n };
}

/**
 * Where the source fails the other stores are still worth a copy: the point is invalid then, and says
 * why. Anything else is thrown on.
 */
export async function orUnreadable(
  store: string,
  isSources: (error: unknown) => boolean,
  capture: () => Promise<Captured>,
): Promise<Captured> {
  try {
    return await capture();
  } catch (error) {
    if (!isSources(error)) throw error;
    const errors = [errorWord(store, "unreadable")];
    const { message, hint } = error as AppError;
    return {
      facts: undefined,
      errors,
      warnings: [hint === undefined ? message : `${message}. ${hint}`],
    };
  }
}

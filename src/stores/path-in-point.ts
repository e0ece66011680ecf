import { hasCode } from "../base/errors.ts";
import type { Reader } from "../repository/repository.ts";

/**
 * Where the file or folder of a store lies in a point, below `at`: there it has the name in which the path of
 * the store ended then, and that may have been changed since. Beside it there is nothing.
 */
export async function pathInPoint(from: Reader, at: string, base: string): Promise<string> {
  const usual = `${at}/${base}`;
  if ((await from.find(usual)) !== undefined) return usual;
  const [only, ...others] = await from.list(at).catch((error: unknown) => {
    if (hasCode(error, "NOT_FOUND")) return [];
    throw error;
  });
  return only === undefined || others.length > 0 ? usual : `${at}/${only.name}`;
}

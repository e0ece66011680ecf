import { systemCode } from "../../base/errors.ts";

const PREFIX = "SOURCE:";
/** The file was replaced by another one, which can be read from its start. */
export const ANOTHER_FILE = "another-file";

/**
 * Marks what the operating system says of a file that is to be stored, so that it is not mistaken
 * for a failure of the repository: the same words mean something else there.
 */
export function ofSource<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    throw sourceError(code, (error as Error).message);
  }
}

/** An error about a source in our own words; see `sourceCode`. */
export function sourceError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code: PREFIX + code });
}

/** The operating system's word, such as ENOENT, if this is about a source; also between threads. */
export function sourceCode(error: unknown): string | undefined {
  const code = systemCode(error);
  return code?.startsWith(PREFIX) === true ? code.slice(PREFIX.length) : undefined;
}

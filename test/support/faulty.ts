import type { Backend } from "../../src/backends/backend.ts";
import { AppError } from "../../src/base/errors.ts";

/** A backend whose n-th call fails, before or after it has had its effect; the others work. */
export function faultyBackend(
  inner: Backend,
  n: number,
  when: "before" | "after",
): Backend & { readonly calls: () => number } {
  let calls = 0;
  const fail = (what: string): never => {
    throw new AppError("UNAVAILABLE", `${what}: the place does not answer`);
  };
  const guard = async <T>(what: string, call: () => Promise<T>): Promise<T> => {
    const isMine = ++calls === n;
    if (isMine && when === "before") fail(what);
    const result = await call();
    return isMine ? fail(what) : result;
  };
  return {
    ...inner,
    // Otherwise threads read files past the faults.
    localFolder: undefined,
    calls: () => calls,
    put: (key, data, run) => guard(`put ${key}`, () => inner.put(key, data, run)),
    get: (key, range, run) => guard(`get ${key}`, () => inner.get(key, range, run)),
    remove: (key, run) => guard(`remove ${key}`, () => inner.remove(key, run)),
    async *list(prefix, run) {
      if (++calls === n) fail(`list ${prefix}`);
      yield* inner.list(prefix, run);
    },
  };
}

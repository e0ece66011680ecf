import type { Check, CheckResult } from "./check.ts";

/** What a field of the answer has to be. */
export type Expectation = {
  readonly equals?: unknown;
  readonly above?: number | undefined;
  readonly below?: number | undefined;
};

export type HttpCheckConfig = {
  readonly url: string;
  readonly method: "GET" | "POST";
  readonly body?: unknown;
  readonly status: number;
  /** Dotted paths into the JSON answer; of a list or text, `above` and `below` mean its length. */
  readonly json: Readonly<Record<string, Expectation>>;
  readonly timeoutMs: number;
};

const BODY_BYTES_MAX = 1024 * 1024;

/** Good when the answer is as expected; bad when it is not, or when nobody listens. */
export function httpCheck(config: HttpCheckConfig): Check {
  const { url, method, body, status, json, timeoutMs } = config;
  return {
    async ask(run) {
      try {
        const response = await fetch(url, {
          method,
          redirect: "manual",
          signal: AbortSignal.any([run.signal, AbortSignal.timeout(timeoutMs)]),
          ...(body === undefined
            ? {}
            : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
        });
        const text = (await response.text()).slice(0, BODY_BYTES_MAX);
        if (response.status !== status) return bad(`status ${response.status}, not ${status}`);
        return judge(text, json);
      } catch (error) {
        run.signal.throwIfAborted();
        const { cause, message } = error as Error;
        return bad(cause instanceof Error ? cause.message : message);
      }
    },
  };
}

function judge(text: string, json: HttpCheckConfig["json"]): CheckResult {
  const fields = Object.entries(json);
  if (fields.length === 0) return { verdict: "good", detail: "" };
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch {
    // What the answer is instead does not matter: a field of it was asked for.
    return bad("the answer is not JSON");
  }
  for (const [path, expectation] of fields) {
    const value = valueAt(root, path);
    const problem = problemOf(value, expectation);
    if (problem !== undefined) return bad(`${path} is ${JSON.stringify(value)}, ${problem}`);
  }
  return { verdict: "good", detail: "" };
}

function valueAt(root: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((value, key) => {
    return typeof value === "object" && value !== null
      ? (value as Record<string, unknown>)[key]
      : undefined;
  }, root);
}

function problemOf(value: unknown, { equals, above, below }: Expectation): string | undefined {
  if (equals !== undefined && JSON.stringify(value) !== JSON.stringify(equals)) {
    return `not ${JSON.stringify(equals)}`;
  }
  const size = Array.isArray(value) || typeof value === "string" ? value.length : value;
  if (above !== undefined && !(typeof size === "number" && size > above))
    return `not above ${above}`;
  if (below !== undefined && !(typeof size === "number" && size < below))
    return `not below ${below}`;
  return undefined;
}

function bad(detail: string): CheckResult {
  return { verdict: "bad", detail };
}

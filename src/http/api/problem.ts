import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { translateDiskError } from "../../base/disk-errors.ts";
import { AppError, ERRORS } from "../../base/errors.ts";
import type { Env } from "../listen.ts";

/** RFC 9457; `code` and `hint` as the command line has them. */
export type Problem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly code?: string;
  readonly hint?: string;
};

export function problem(
  context: Context<Env>,
  status: ContentfulStatusCode,
  title: string,
  more: Partial<Pick<Problem, "detail" | "code" | "hint">> = {},
): Response {
  const body: Problem = { type: "about:blank", title, status, ...more };
  return context.body(JSON.stringify(body), status, { "content-type": "application/problem+json" });
}

/** What an operation threw. Of a bug nothing is told but that it is one. */
export function problemOf(context: Context<Env>, thrown: unknown): Response {
  const error = translateDiskError(thrown, "answer");
  if (!(error instanceof AppError)) {
    return problem(context, 500, "Internal error", {
      detail: "This is a bug: see the log of serve.",
    });
  }
  const { code, message, hint } = error;
  const more = { code, detail: message, ...(hint === undefined ? {} : { hint }) };
  return problem(context, ERRORS[code].http, code.toLowerCase().replaceAll("_", " "), more);
}

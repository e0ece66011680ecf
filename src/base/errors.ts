/** Every expected failure has a code; every code says how the outside world sees it. */
export const ERRORS = {
  USAGE: { exit: 2, http: 400, retry: false },
  CONFIG_INVALID: { exit: 3, http: 422, retry: false },
  POINT_INVALID: { exit: 4, http: 422, retry: false },
  INVALID_PACKAGE: { exit: 5, http: 422, retry: false },
  NOT_FOUND: { exit: 10, http: 404, retry: false },
  ALREADY_EXISTS: { exit: 10, http: 409, retry: false },
  LOCKED: { exit: 11, http: 423, retry: true },
  WRONG_KEY: { exit: 12, http: 403, retry: false },
  CORRUPT: { exit: 13, http: 500, retry: false },
  UNAVAILABLE: { exit: 14, http: 503, retry: true },
  UNHEALTHY: { exit: 15, http: 500, retry: false },
  NEEDS_HUMAN: { exit: 16, http: 500, retry: false },
  NO_SPACE: { exit: 17, http: 507, retry: false },
  REFUSED: { exit: 18, http: 409, retry: false },
  SOURCE_FAILED: { exit: 19, http: 500, retry: true },
  UNSUPPORTED: { exit: 20, http: 501, retry: false },
} as const satisfies Record<string, { exit: number; http: number; retry: boolean }>;

export type ErrorCode = keyof typeof ERRORS;

export type ErrorDetails = {
  readonly hint?: string | undefined;
  readonly cause?: unknown;
};

/**
 * A failure we expect and can explain. Anything else that is thrown is a bug.
 *
 * The message says what could not be done to what: "restore store db: snapshot 4f2a not found".
 * The hint says what the reader can do about it.
 */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.name = "AppError";
    this.code = code;
    this.hint = details.hint;
  }
}

export function hasCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof AppError && error.code === code;
}

/** The operating system's word for a failure, such as ENOENT; undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** For `catch`: undefined where there is nothing of that name; anything else is thrown again. */
export function nothingThere(error: unknown): undefined {
  if (isNothing(error)) return undefined;
  throw error;
}

/** Whether a path leads nowhere. Below a file there is nothing either. */
export function isNothing(error: unknown): boolean {
  const code = systemCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

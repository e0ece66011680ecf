import type { Run } from "../base/events.ts";

/** What somebody is told. */
export type Notice = {
  readonly id: string;
  readonly at: string;
  readonly system: string;
  /** `overdue`: what should have been done was not, though nothing failed. */
  readonly kind: "failure" | "recovery" | "overdue" | "test";
  readonly title: string;
  readonly text: string;
  readonly incident?: string;
};

/** Returns once a notice was received; whatever it throws, it is tried again. */
export type Notifier = (notice: Notice, run: Run) => Promise<void>;

/** Before it is tried again; whoever does not answer must not keep the others waiting. */
export const SEND_MS_MAX = 15_000;

/** One line that says what it is about. */
export function subjectOf({ system, kind, title }: Notice): string {
  return `[${system}] ${kind}: ${title}`.replaceAll(/\s+/g, " ").slice(0, 200);
}

/** For `fetch`: an answer other than 2xx is no receipt. */
export async function post(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  { signal }: Run,
): Promise<void> {
  const response = await fetch(url, {
    method: "POST",
    headers,
    body,
    redirect: "error",
    signal: AbortSignal.any([signal, AbortSignal.timeout(SEND_MS_MAX)]),
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`it answered ${response.status}`);
}

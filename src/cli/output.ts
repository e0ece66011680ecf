import { inspect, styleText } from "node:util";
import { AppError } from "../base/errors.ts";
import type { Event } from "../base/events.ts";
import type { Output } from "./command.ts";
import { formatBytes } from "../base/format-bytes.ts";
import { formatMs } from "./format.ts";

export type Write = (text: string) => void;

/** One JSON object a line, all on standard output; the result or error is the last line. */
export function jsonOutput(stdout: Write): Output {
  const line = (value: object): void => stdout(`${JSON.stringify(value)}\n`);
  return {
    event: line,
    result: ({ value }) => line({ type: "result", value }),
    error: (error) => line({ type: "error", ...describe(error) }),
  };
}

/** Text for people: what is under way in one line that is overwritten, on a terminal. */
export function textOutput(stdout: Write, stderr: Write, isTerminal: boolean): Output {
  let hasProgress = false;
  const clear = (): void => {
    if (hasProgress) stderr("\r\u001b[K");
    hasProgress = false;
  };
  return {
    event(event) {
      if (event.type === "progress") {
        if (!isTerminal) return;
        stderr(`\r\u001b[K  ${progressLine(event)}`);
        hasProgress = true;
        return;
      }
      clear();
      if (event.type === "step.finished") {
        stderr(`  ${event.step} ${styleText("dim", formatMs(event.elapsedMs))}\n`);
      }
      if (event.type === "told") stdout(`${event.message}\n`);
      if (event.type === "warning") stderr(`  ${styleText("yellow", event.message)}\n`);
    },
    result({ lines }) {
      clear();
      for (const text of lines) stdout(`${text}\n`);
    },
    error(error) {
      clear();
      const { message, hint } = describe(error);
      stderr(`${styleText("red", message)}\n`);
      if (hint !== undefined) stderr(`  ${hint}\n`);
    },
  };
}

function progressLine(event: Extract<Event, { type: "progress" }>): string {
  const { step, bytesDone, bytesTotal } = event;
  if (bytesTotal === undefined || bytesTotal === 0) return `${step} ${formatBytes(bytesDone)}`;
  const percent = Math.floor((bytesDone / bytesTotal) * 100);
  return `${step} ${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)} (${percent} %)`;
}

type Description = { code: string; message: string; hint?: string | undefined };

function describe(error: unknown): Description {
  if (error instanceof AppError) {
    return { code: error.code, message: error.message, hint: error.hint };
  }
  if (error instanceof Error && error.name === "AbortError") {
    return { code: "INTERRUPTED", message: "interrupted; nothing was left half done" };
  }
  const trace = error instanceof Error ? (error.stack ?? error.message) : inspect(error);
  return { code: "BUG", message: trace, hint: "This is a bug: please report it with these lines." };
}

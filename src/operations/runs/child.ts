import { AppError, type ErrorCode, ERRORS } from "../../base/errors.ts";
import type { Event, Run } from "../../base/events.ts";
import { execLines } from "../../base/exec-lines.ts";
import path from "node:path";
import type { System } from "../system.ts";

/** How a command ended. `value` is its result, also where it did not do what was asked for. */
export type CommandEnd = {
  readonly exit: number;
  readonly value: unknown;
  readonly error:
    | { readonly code: string; readonly message: string; readonly hint?: string }
    | undefined;
};

/** Runs one command of lastgood in a process of its own. */
export type RunCommand = (command: readonly string[], who: string, run: Run) => Promise<CommandEnd>;

type Line =
  | Event
  | { type: "result"; value: unknown }
  | { type: "error"; code: string; message: string; hint?: string };

const EXIT_LOST = 70;

/**
 * Runs commands with the program itself, so that a service stays small, and survives whatever becomes of
 * one of them; their events are reported as ours. Cancelled, a command goes back first.
 */
export function commandRunner(system: System, program: readonly string[]): RunCommand {
  const { file } = system.loaded;
  return async (command, who, run) => {
    let value: unknown;
    let error: CommandEnd["error"];
    const onLine = (text: string): void => {
      const line = parse(text);
      if (line === undefined) return;
      if (line.type === "result") ({ value } = line);
      else if (line.type === "error") {
        const { code, message, hint } = line;
        error = { code, message, ...(hint === undefined ? {} : { hint }) };
      } else run.report(line);
    };
    const [first = "", ...rest] = program;
    const ended = await execLines(
      [first, ...rest, "-c", file, ...command, "--json"],
      { folder: path.dirname(file), env: { LASTGOOD_WHO: who } },
      onLine,
      run,
    );
    const exit = ended.exitCode ?? EXIT_LOST;
    if (exit !== 0 && value === undefined && error === undefined) {
      const message = `lastgood ${command.join(" ")}: it was lost: ${ended.lastWords.trim()}`;
      error = { code: "BUG", message };
    }
    return { exit, value, error };
  };
}

/** A command that did not do what it was asked for, as an error. */
export function failureOf(
  command: readonly string[],
  { exit, value, error }: CommandEnd,
): AppError {
  const shown = `lastgood ${command.join(" ")}`;
  if (error !== undefined) {
    const code = error.code in ERRORS ? (error.code as ErrorCode) : "SOURCE_FAILED";
    return new AppError(code, error.message, { hint: error.hint });
  }
  const { errors, problem } = (value ?? {}) as { errors?: readonly string[]; problem?: string };
  const why = problem ?? errors?.slice(0, 3).join(", ") ?? "";
  const code = Object.entries(ERRORS).find(([, { exit: one }]) => one === exit)?.[0];
  return new AppError(
    (code as ErrorCode | undefined) ?? "SOURCE_FAILED",
    `${shown}: exit code ${exit}: ${why}`,
  );
}

function parse(text: string): Line | undefined {
  try {
    const line = JSON.parse(text) as Line | null;
    return typeof line?.type === "string" ? line : undefined;
  } catch {
    // Whatever a library prints is none of our lines.
    return undefined;
  }
}

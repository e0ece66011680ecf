import type { Event, Run } from "../base/events.ts";
import type { Host, System } from "../operations/system.ts";

/** How a command talks: as text for people, or as JSON lines for programs. */
export type Output = {
  event(event: Event): void;
  result(result: Result): void;
  error(error: unknown): void;
};

/** What a command found or did, for programs and for people. */
export type Result = {
  readonly value: unknown;
  readonly lines: readonly string[];
  /** Other than 0 when what was asked for did not come about. */
  readonly exit?: number;
};

export type Arguments = {
  readonly positionals: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
};

/** What a command works with. */
export type Context = Host & {
  /** Where the program was started. */
  readonly folder: string;
  readonly run: Run;
  /** Asks the person in front of it; without one, what was not said beforehand is refused. */
  readonly confirm: (question: string) => Promise<boolean>;
  /** Has `work` use the system of the configuration that was named or found. */
  readonly withSystem: <T>(work: (system: System) => Promise<T>) => Promise<T>;
  readonly configFile: string | undefined;
  /** With which lastgood can be started again: the program and its first arguments. */
  readonly program: readonly string[];
  /**
   * Serves a system until it is cancelled, or its configuration was changed. The command line knows nothing
   * of HTTP.
   */
  readonly serve: (system: System, run: Run) => Promise<"stopped" | "changed">;
};

/** One word of the command line: it turns arguments into a call of an operation, and no more. */
export type Command = {
  readonly name: string;
  readonly summary: string;
  /** As commander has it: "<point>", "[operation]". */
  readonly arguments?: string;
  /** Flags and what they mean, besides those that all commands have. */
  readonly options?: readonly (readonly [flags: string, meaning: string])[];
  readonly examples: readonly string[];
  run(args: Arguments, context: Context): Promise<Result>;
};

export function textOption(args: Arguments, name: string): string | undefined {
  const value = args.options[name];
  return typeof value === "string" ? value : undefined;
}

export function isSet(args: Arguments, name: string): boolean {
  return args.options[name] === true;
}

/** The reason that somebody gave, for the history. */
export function reasonOf(args: Arguments): string {
  return textOption(args, "reason") ?? "";
}

export function selectionOf(args: Arguments): {
  component: string | undefined;
  store: string | undefined;
} {
  return { component: textOption(args, "component"), store: textOption(args, "store") };
}

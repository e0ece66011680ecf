import { AppError } from "../../base/errors.ts";
import { redactUrl } from "../../base/redact.ts";
import type { Event, Run } from "../../base/events.ts";
import { newOperationId } from "../record.ts";
import type { System } from "../system.ts";
import type { CommandEnd, RunCommand } from "./child.ts";
import type { Feed } from "./feed.ts";

/** A command that the service runs or ran, with what it said so far. */
export type CommandRun = {
  readonly id: string;
  /** As somebody would type it, after "lastgood". */
  readonly command: readonly string[];
  readonly who: string;
  readonly started: string;
  readonly ended: string | undefined;
  readonly end: CommandEnd | undefined;
  /** The last of them; how much was done is only said as it is now. */
  readonly events: readonly (Event & { readonly at: string })[];
  readonly progress: Extract<Event, { type: "progress" }> | undefined;
};

/** What the service runs. */
export type Runs = {
  /** Begins a command and returns at once. LOCKED when too many run already. */
  readonly begin: (command: readonly string[], who: string) => CommandRun;
  /** As RunCommand: until it has ended. */
  readonly carryOut: RunCommand;
  /** Asks it to go back. NOT_FOUND. */
  readonly cancel: (id: string) => void;
  readonly list: () => readonly CommandRun[];
  /** NOT_FOUND. */
  readonly get: (id: string) => CommandRun;
  /** Until all have ended. */
  readonly settled: () => Promise<void>;
};

const AT_ONCE_MAX = 8;
const KEPT_MAX = 50;
const EVENTS_MAX = 300;
/** More often nobody can read it. */
const PROGRESS_EVERY_MS = 250;

type Mutable = { -readonly [K in keyof CommandRun]: CommandRun[K] } & {
  readonly stop: AbortController;
  /** Begun by somebody who waits for it. */
  isAsked: boolean;
};

/** Runs commands, remembers the last of them, and sends what they say to the feed. */
export function openRuns(system: System, runCommand: RunCommand, feed: Feed, run: Run): Runs {
  const runs: Mutable[] = [];
  const working = new Set<Promise<unknown>>();
  const now = (): string => system.host.clock.now().toISOString();

  const start = (
    command: readonly string[],
    who: string,
    outer: Run,
  ): { one: Mutable; ended: Promise<CommandEnd> } => {
    const id = newOperationId(system);
    const one: Mutable = {
      ...NEW,
      id,
      command,
      who,
      started: now(),
      stop: new AbortController(),
      isAsked: false,
    };
    runs.push(one);
    if (runs.length > KEPT_MAX) forgetOldest(runs);
    const ended = follow(one, runCommand, feed, now, outer);
    working.add(ended);
    void ended.finally(() => working.delete(ended));
    return { one, ended };
  };

  return {
    begin(command, who) {
      // What the schedule or others have begun does not keep people from it.
      const asked = runs.filter(({ isAsked, end }) => isAsked && end === undefined).length;
      if (asked < AT_ONCE_MAX) {
        const { one } = start(command, who, run);
        one.isAsked = true;
        return shown(one);
      }
      const message = `run ${command[0]}: ${asked} commands run already`;
      throw new AppError("LOCKED", message, { hint: "Wait until one of them has ended." });
    },
    carryOut: async (command, who, outer) => await start(command, who, outer).ended,
    cancel: (id) => find(runs, id).stop.abort(),
    list: () => runs.toReversed().map((one) => ({ ...shown(one), events: [] })),
    get: (id) => shown(find(runs, id)),
    settled: async () => void (await Promise.allSettled(working)),
  };
}

const NEW = { ended: undefined, end: undefined, events: [], progress: undefined } as const;

/** For everybody who may see what runs: what a URL has in it that is secret is not theirs. */
const shown = ({ stop: _, isAsked: __, ...one }: Mutable): CommandRun => ({
  ...one,
  command: one.command.map(redactUrl),
});

/** Runs it to its end, and has the feed hear of everything. Never rejects. */
async function follow(
  one: Mutable,
  runCommand: RunCommand,
  feed: Feed,
  now: () => string,
  outer: Run,
): Promise<CommandEnd> {
  const tell = (): void => feed.send({ type: "run", run: { ...shown(one), events: [] } });
  const signal = AbortSignal.any([outer.signal, one.stop.signal]);
  tell();
  let toldMs = -Infinity;
  const report: Run["report"] = (event) => {
    if (event.type === "progress") {
      one.progress = event;
      if (performance.now() - toldMs < PROGRESS_EVERY_MS) return;
      toldMs = performance.now();
    } else {
      one.events = [...one.events.slice(1 - EVENTS_MAX), { ...event, at: now() }];
    }
    feed.send({ type: "event", run: one.id, at: now(), event });
  };
  const end = await runCommand(one.command, one.who, { signal, report }).catch(
    (error: unknown): CommandEnd => {
      const code = error instanceof AppError ? error.code : "INTERRUPTED";
      return { exit: 1, value: undefined, error: { code, message: (error as Error).message } };
    },
  );
  Object.assign(one, { end, ended: now(), progress: undefined });
  tell();
  return end;
}

function find(runs: readonly Mutable[], id: string): Mutable {
  const found = runs.find((one) => one.id === id);
  if (found !== undefined) return found;
  throw new AppError("NOT_FOUND", `find run ${id}: there is none`, {
    hint: "What ended long ago is in the history.",
  });
}

function forgetOldest(runs: Mutable[]): void {
  const at = runs.findIndex(({ end }) => end !== undefined);
  if (at !== -1) runs.splice(at, 1);
}

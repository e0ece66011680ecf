import path from "node:path";
import type { Run } from "../../base/events.ts";
import { appendRotating } from "../../notifiers/rotating-log.ts";
import { Outbox } from "../../notifiers/outbox.ts";
import type { Outcome } from "../../journal/journal.ts";
import { flushOutbox } from "../notices/flush.ts";
import type { Deployable } from "../releases/target-of.ts";
import type { System } from "../system.ts";
import { type Report, type Said, sayer } from "./say.ts";

/** Says things where the updater's users look for them. */
export type Announcer = {
  readonly say: (said: readonly Said[], version: string) => void;
  /** Sends what waits, for a short time; `lastgood serve` sends the rest. */
  readonly flush: (run: Run) => Promise<void>;
};

const FLUSH_MS_MAX = 5000;

/** Undefined for a component that no updater speaks of. */
export function announcerOf(
  system: System,
  component: string,
  onReport: (report: Report) => void = () => {},
): Announcer | undefined {
  const { config, paths, host } = system;
  const { updater } = config;
  if (updater?.component !== component) return undefined;
  const file = path.join(paths.state, "outbox.db");
  const sayOne = (one: Said, version: string): void => {
    if ("log" in one) {
      const [level, line] = one.log;
      const at = host.clock.now().toISOString();
      if (updater.log !== undefined) appendRotating(updater.log, `${at} [${level}] ${line}`);
      return;
    }
    onReport(one.report);
    if (updater.report === undefined) return;
    using outbox = new Outbox(file);
    outbox.add(updater.report, JSON.stringify({ ...one.report, version }));
  };
  return {
    say(said, version) {
      for (const one of said) {
        try {
          sayOne(one, version);
        } catch {
          // That something could not be told must not stop what it tells of.
        }
      }
    },
    async flush(run) {
      const signal = AbortSignal.any([run.signal, AbortSignal.timeout(FLUSH_MS_MAX)]);
      const waiting = await flushOutbox(system, { ...run, signal });
      if (waiting === 0) return;
      const message = `${waiting} reports wait until their receiver answers; lastgood serve sends them`;
      run.report({ type: "warning", message });
    },
  };
}

/** What an updater's users hear of one change of release. */
export type Announced = {
  /** Its events are also put into the updater's words. */
  readonly run: Run;
  /** The last words. */
  readonly end: (outcome: Outcome, error: string | undefined) => Promise<void>;
};

export function announcing(
  { name, target, runner }: Deployable,
  version: string,
  announcer: Announcer,
  run: Run,
): Announced {
  const services = runner?.units ?? [name];
  const words = sayer({ component: name, version, root: target.root, services });
  return {
    run: {
      ...run,
      report(event) {
        run.report(event);
        announcer.say(words.hear(event), version);
      },
    },
    async end(outcome, error) {
      announcer.say(words.end(outcome, error), version);
      await announcer.flush(run);
    },
  };
}

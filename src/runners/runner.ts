import type { Run } from "../base/events.ts";
import type { Frozen } from "../base/freeze.ts";
import type { Container } from "../engine/docker.ts";

/** How the processes of a component are stopped, started and seen to be alive. */
export type Runner = {
  /** Returns once nothing of it runs. UNHEALTHY when it does not stop. Can be repeated. */
  stop(run: Run): Promise<void>;
  /** Returns once it is alive. UNHEALTHY when it does not start. Can be repeated. */
  start(run: Run): Promise<void>;
  isAlive(run: Run): Promise<boolean>;
  /** Whether it is stopped, and nobody is about to start it again. Where it is not there: not alive. */
  isDown?(run: Run): Promise<boolean>;
  /** Names the processes that run now: another name means that one died and was started anew. */
  identity?(run: Run): Promise<string>;
  /** Keeps whoever else starts it, such as an engine after a power cut, from doing so. Repeatable. */
  bar?(run: Run): Promise<void>;
  /** Takes that back. Repeatable; does no harm without. */
  unbar?(run: Run): Promise<void>;
  /** The users as whom it runs; undefined: that is not known. */
  users?(run: Run): Promise<readonly string[] | undefined>;
  /** Holds it where it stands until disposed, for at most so long. UNHEALTHY, UNAVAILABLE. */
  freeze?(limitMs: number, run: Run): Promise<Frozen>;
  /** Lets go on what is frozen. Repeatable; does no harm without. */
  thaw?(run: Run): Promise<void>;
  /** Why it does not run, with its own last words. */
  whyEnded?(run: Run): Promise<string>;
  /** What it printed last since it was started: ": Error: …", or nothing. */
  lastWords?(run: Run): Promise<string>;
  /** The containers in which it runs. */
  containers?(run: Run): Promise<readonly Container[]>;
  /** Where all that it prints is to be found: a file, or a command that shows it. */
  readonly log?: string;
  /** What it is called by those who run it by hand, such as its units. */
  readonly units?: readonly string[];
};

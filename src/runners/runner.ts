import type { Run } from "../base/events.ts";

/** How the processes of a component are stopped, started and seen to be alive. */
export type Runner = {
  /** Returns once nothing of it runs. UNHEALTHY when it does not stop. Can be repeated. */
  stop(run: Run): Promise<void>;
  /** Returns once it is alive. UNHEALTHY when it does not start. Can be repeated. */
  start(run: Run): Promise<void>;
  isAlive(run: Run): Promise<boolean>;
  /** Names the processes that run now: another name means that one died and was started anew. */
  identity?(run: Run): Promise<string>;
  /** The users as whom it runs; undefined: that is not known. */
  users?(run: Run): Promise<readonly string[] | undefined>;
  /** What it is called by those who run it by hand, such as its units. */
  readonly units?: readonly string[];
};

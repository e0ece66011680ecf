import type { Run } from "../base/events.ts";
import { bad, type Check, GOOD, unknown } from "./check.ts";

/** What is known of the containers of a component. */
export type Seen = {
  /** The images that they run, by content. */
  readonly images: readonly string[];
  readonly health: readonly ("starting" | "healthy" | "unhealthy")[];
};

/**
 * Whether the containers run the image that is live, and find themselves healthy where the image
 * says how that is asked for. The digest that runs is the one that was asked for, or this is bad.
 */
export function containerCheck(
  seen: (run: Run) => Promise<Seen>,
  live: (run: Run) => Promise<string | undefined>,
): Check {
  return {
    async ask(run) {
      try {
        const { images, health } = await seen(run);
        if (images.length === 0) return unknown("there is no container");
        const expected = await live(run);
        const other = images.find((id) => expected !== undefined && id !== expected);
        if (other !== undefined) return bad(`it runs ${short(other)}, not ${short(expected!)}`);
        if (health.includes("unhealthy")) return bad("the engine finds it unhealthy");
        if (health.includes("starting")) return unknown("its own health check has not ended yet");
        return GOOD;
      } catch (error) {
        run.signal.throwIfAborted();
        return unknown((error as Error).message);
      }
    },
  };
}

function short(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, 12);
}

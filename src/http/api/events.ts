import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import type { Sent } from "../../operations/runs/feed.ts";
import type { Env } from "../listen.ts";
import type { Server } from "./context.ts";
import { problem } from "./problem.ts";

const LISTENERS_MAX = 200;
const STREAM = { "content-type": "text/event-stream" };
const BEAT_MS = 15_000;
/** Who reads so slowly is let go: it comes back and says what it heard last. */
const WAITING_MAX = 1000;

/**
 * Server-Sent Events of everything that happens. Who was cut off sends Last-Event-ID and hears what came
 * since; where that is not known any more it hears `reset` and has to look for itself.
 */
export function events(
  context: Context<Env>,
  { feed, run }: Server,
  isKnown: () => Promise<boolean>,
): Response | Promise<Response> {
  // Without a body nobody would ever read, and we would wait for ever.
  if (context.req.method === "HEAD") return context.body(null, 200, STREAM);
  if (feed.listening >= LISTENERS_MAX) {
    return problem(context, 503, "too many listen", { hint: "One stream a page is enough." });
  }
  const last = context.req.header("last-event-id");
  return streamSSE(context, async (stream) => {
    const missed = last === undefined ? [] : feed.since(last);
    let waiting: Sent[] = [...(missed ?? [])];
    let wake = (): void => {};
    using _listening = feed.listen((sent) => {
      waiting.push(sent);
      if (waiting.length > WAITING_MAX) stream.abort();
      wake();
    });
    const first = missed === undefined ? "reset" : "hello";
    const id = missed === undefined || waiting.length === 0 ? feed.lastId : last!;
    await stream.writeSSE({ event: first, data: "{}", id });
    const stop = (): void => wake();
    stream.onAbort(stop);
    run.signal.addEventListener("abort", stop);
    try {
      while (!stream.aborted && !stream.closed && !run.signal.aborted) {
        const sending = waiting;
        waiting = [];
        for (const { id: sentId, data } of sending) {
          await stream.writeSSE({ id: sentId, data: JSON.stringify(data) });
        }
        if (waiting.length > 0) continue;
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        const timer = setTimeout(resolve, BEAT_MS);
        await promise;
        clearTimeout(timer);
        // Whose token was removed meanwhile hears no more.
        if (!(await isKnown())) break;
        if (waiting.length === 0) await stream.write(": still here\n\n");
      }
    } finally {
      run.signal.removeEventListener("abort", stop);
    }
  });
}

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { FromWorker, ToWorker } from "./jobs.ts";

/** Who has a thread hears of it. */
export type Listener = {
  message(message: FromWorker): void;
  error(error: unknown): void;
  exit(): void;
};

export type Thread = { readonly worker: Worker; listener: Listener | undefined };

/**
 * Threads that work on bytes. One takes as long to start as a small folder to restore: so they can be
 * started before there is work, while a key is derived, and are used again.
 */
export type Threads = {
  /** Starts what work that is sure to come will need. */
  prepare(): void;
  /** One that nobody else has. */
  take(): Thread;
  /** Takes one that has nothing to do back, for whoever comes next. */
  giveBack(thread: Thread): void;
};

/** So many are worth starting before it is known how much there is to do. */
const PREPARED = 2;
/** So long one waits for the next work. None of them keeps the process. */
const IDLE_MS = 2000;
/** Buffers that Node makes are collected with the young generation: a small one keeps them few. */
const YOUNG_GENERATION_MB = 4;

export function openThreads(): Threads {
  const idle = new Map<Thread, NodeJS.Timeout>();

  const keep = (thread: Thread): void => {
    const forget = (): void => {
      clearTimeout(idle.get(thread));
      idle.delete(thread);
    };
    const end = setTimeout(() => {
      forget();
      thread.worker.postMessage({ type: "close" } satisfies ToWorker, []);
    }, IDLE_MS);
    idle.set(thread, end.unref());
    // Whatever one dies of while it has nothing to do: the next work has another.
    thread.listener = { message: () => {}, error: forget, exit: forget };
    thread.worker.unref();
  };

  return {
    prepare() {
      const wanted = Math.min(PREPARED, availableParallelism() - 1);
      while (idle.size < wanted) keep(startThread());
    },
    take() {
      const [thread] = idle.keys();
      if (thread === undefined) return startThread();
      clearTimeout(idle.get(thread));
      idle.delete(thread);
      thread.worker.ref();
      return thread;
    },
    giveBack: keep,
  };
}

function startThread(): Thread {
  const worker = new Worker(workerFile(), {
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  });
  const thread: Thread = { worker, listener: undefined };
  worker.on("message", (message: FromWorker) => thread.listener?.message(message));
  worker.on("error", (error) => thread.listener?.error(error));
  worker.on("exit", () => thread.listener?.exit());
  return thread;
}

function workerFile(): URL {
  // The published package is compiled; a clone runs the sources.
  return new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url);
}

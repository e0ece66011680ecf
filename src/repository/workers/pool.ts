import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError, type ErrorCode } from "../../base/errors.ts";
import type { BlobType } from "../format/pack-header.ts";
import type {
  FromWorker,
  JobKind,
  Jobs,
  PackFile,
  ToWorker,
  WorkerError,
  WorkerSetup,
} from "./jobs.ts";
import type { Thread, Threads } from "./threads.ts";
import { buffersOf } from "./transfer.ts";

/** Whoever has blobs stored by threads keeps the index, and puts finished packs away. */
export type PoolOwner = {
  /** Which of these blobs are to be stored; see BlobIndex.claim. */
  claim(ids: Uint8Array, type: BlobType): Uint8Array;
  pack(pack: PackFile): void;
};

export type Pool = AsyncDisposable & {
  readonly threads: number;
  /** So many jobs it takes before the next has to wait here. */
  readonly room: number;
  /** Has one job done by whichever thread is free. Waits while all have enough to do. */
  run<Kind extends JobKind>(kind: Kind, input: Jobs[Kind]["in"]): Promise<Jobs[Kind]["out"]>;
  /** Has the job done once by every thread that was ever used. */
  runOnAll<Kind extends JobKind>(kind: Kind, input: Jobs[Kind]["in"]): Promise<void>;
  /** From now on its threads let other programs go first; nobody has them afterwards. */
  giveWay(): void;
};

/** One job waits for each thread, so that it need not wait for its next one. */
const JOBS_WAITING = 1;
const THREADS_MAX = 8;
/** So long a thread may take for the jobs that it has before it is ended from outside. */
const END_MS = 15_000;

/** Of all pools: what a thread was asked by one must not answer what another asks. */
let lastJob = 0;

type Member = {
  readonly thread: Thread;
  hasEnded: boolean;
  readonly jobs: Map<number, PromiseWithResolvers<unknown>>;
};

export type PoolOptions = {
  /** Without an owner nothing can be stored, and the threads are as good as new for the next pool. */
  readonly owner?: PoolOwner;
  /** As many as there are processors unless given. */
  readonly threadsMax?: number;
  /** How many jobs a thread does side by side: what one writes may be on its way to the disk. One, unless given. */
  readonly lanes?: number;
};

export function openPool(
  setup: WorkerSetup,
  source: Threads,
  { owner, threadsMax = threadsUseful(), lanes = 1 }: PoolOptions = {},
): Pool {
  const members: Member[] = [];
  const jobsEach = lanes + JOBS_WAITING;
  // Packs are filled, and what is to be stored is asked for, by one job at a time.
  assert(owner === undefined || lanes === 1, "a thread that stores has one lane");
  const waiting: (() => void)[] = [];
  let givesWay = false;
  let failure: unknown;

  const takeThread = (): Member => {
    const thread = source.take();
    const member: Member = { thread, jobs: new Map(), hasEnded: false };
    thread.listener = {
      message: (message) => receive(member, message),
      error: failAll,
      exit() {
        member.hasEnded = true;
        failAll(new Error("a thread of the repository ended by itself"));
      },
    };
    post(member, { type: "setup", setup, lanes });
    if (givesWay) post(member, { type: "give way" });
    members.push(member);
    return member;
  };

  const receive = (member: Member, message: FromWorker): void => {
    switch (message.type) {
      case "claim": {
        assert(owner !== undefined, "a thread of a pool that only reads stored something");
        const wanted = owner.claim(message.ids, message.blobType);
        return post(member, { type: "claimed", wanted });
      }
      case "pack":
        return owner?.pack(message.pack);
      case "done":
        return settle(member, message.job, (job) => job.resolve(message.output));
      case "failed":
        return settle(member, message.job, (job) => job.reject(fromWorkerError(message.error)));
    }
  };

  const settle = (
    member: Member,
    job: number,
    how: (job: PromiseWithResolvers<unknown>) => void,
  ): void => {
    const resolvers = member.jobs.get(job);
    member.jobs.delete(job);
    if (resolvers !== undefined) how(resolvers);
    waiting.shift()?.();
  };

  const failAll = (error: unknown): void => {
    failure ??= error;
    for (const { jobs } of members) {
      for (const job of jobs.values()) job.reject(error);
      jobs.clear();
    }
    for (const proceed of waiting.splice(0)) proceed();
  };

  /** The thread with the least to do; a new one as long as all are busy. */
  const freeThread = async (): Promise<Member> => {
    for (;;) {
      if (failure !== undefined) throw failure;
      const idlest = members.toSorted((a, b) => a.jobs.size - b.jobs.size)[0];
      if (idlest?.jobs.size === 0) return idlest;
      if (members.length < threadsMax) return takeThread();
      if (idlest !== undefined && idlest.jobs.size < jobsEach) return idlest;
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  };

  const start = (member: Member, kind: JobKind, input: unknown): Promise<unknown> => {
    // It may have been closed since the thread was found.
    if (failure !== undefined) return Promise.reject(failure);
    const job = ++lastJob;
    const resolvers = Promise.withResolvers<unknown>();
    // What cannot be sent is no job of the thread.
    post(member, { type: "job", job, kind, input });
    member.jobs.set(job, resolvers);
    return resolvers.promise;
  };

  return {
    threads: threadsMax,
    room: threadsMax * jobsEach,
    async run<Kind extends JobKind>(kind: Kind, input: Jobs[Kind]["in"]) {
      const member = await freeThread();
      return (await start(member, kind, input)) as Jobs[Kind]["out"];
    },
    async runOnAll(kind, input) {
      if (failure !== undefined) throw failure;
      await Promise.all(members.map((member) => start(member, kind, input)));
    },
    giveWay() {
      if (givesWay) return;
      givesWay = true;
      for (const member of members) post(member, { type: "give way" });
    },
    async [Symbol.asyncDispose]() {
      const isAsNew = failure === undefined && owner === undefined && !givesWay;
      const hasNothing = ({ jobs, hasEnded }: Member): boolean => jobs.size === 0 && !hasEnded;
      const idle = isAsNew ? members.filter(hasNothing) : [];
      // Whoever still has work for it must not start a thread anew.
      failAll(new AppError("UNAVAILABLE", "work on the repository: it is closed"));
      for (const { thread } of idle) source.giveBack(thread);
      await Promise.all(members.filter((member) => !idle.includes(member)).map(end));
    },
  };
}

/**
 * A thread ends by itself once its jobs are done, which takes no more than a moment. Ending it from
 * outside just when it makes a zstd context would abort the whole process ("close before init").
 */
async function end(member: Member): Promise<void> {
  const { worker } = member.thread;
  if (member.hasEnded) return;
  const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  post(member, { type: "close" });
  // Not the one that hangs in a disk that does not answer.
  const isInTime = await Promise.race([
    ended.then(() => true),
    sleep(END_MS, false, { ref: false }),
  ]);
  if (!isInTime) await worker.terminate();
}

function threadsUseful(): number {
  return Math.min(THREADS_MAX, Math.max(1, availableParallelism()));
}

function post({ thread }: Member, message: ToWorker): void {
  thread.worker.postMessage(message, message.type === "job" ? buffersOf(message.input) : []);
}

function fromWorkerError({ message, code, hint, isAppError, stack }: WorkerError): Error {
  if (isAppError) return new AppError(code as ErrorCode, message, { hint });
  const error = Object.assign(new Error(message), { code });
  if (stack !== undefined) error.stack = stack;
  return error;
}

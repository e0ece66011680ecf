import assert from "node:assert/strict";
import { constants, setPriority } from "node:os";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { parentPort } from "node:worker_threads";
import { OR_FEWER_POINTS, translateDiskError } from "../../base/disk-errors.ts";
import { AppError, systemCode } from "../../base/errors.ts";
import { toText } from "../format/go-string.ts";
import { checkPack } from "./check-pack.ts";
import { createCutter } from "./cut.ts";
import { createDesk, type Desk } from "./desk.ts";
import { finishFiles } from "./finish-files.ts";
import type {
  FromWorker,
  JobKind,
  Jobs,
  PackFile,
  ToWorker,
  WorkerError,
  WorkerSetup,
} from "./jobs.ts";
import { layPart, longestOf, openBlob } from "./open-blobs.ts";
import { createPackWriter } from "./pack-writer.ts";
import { type Claim, scan, storeBlobs, storeFiles, storeRanges } from "./store.ts";
import { buffersOf } from "./transfer.ts";
import { writeEdges } from "./write-edges.ts";
import { writeBlobs } from "./write-blobs.ts";

// The thread that does the work on bytes: in each lane one job after the other, as they come.

assert(parentPort !== null, "this file runs as a worker thread only");
const port = parentPort;
const send = (message: FromWorker, handedOver: ArrayBuffer[] = []): void =>
  port.postMessage(message, handedOver);

let answerClaim: ((wanted: Uint8Array) => void) | undefined;
const claim: Claim = (ids, blobType) =>
  new Promise((resolve) => {
    answerClaim = resolve;
    send({ type: "claim", ids, blobType });
  });

type Does<Kind extends JobKind> = (
  input: Jobs[Kind]["in"],
) => Jobs[Kind]["out"] | Promise<Jobs[Kind]["out"]>;

/** The jobs, as done for one pool. */
type Handlers = { [Kind in JobKind]: Does<Kind> };

function handlersFor({ version, spoolFolder }: WorkerSetup, desk: Desk): Handlers {
  const done = (pack: PackFile): void => send({ type: "pack", pack });
  const packs = {
    data: createPackWriter("data", desk, { version, spoolFolder, done }),
    tree: createPackWriter("tree", desk, { version, spoolFolder, done }),
  };
  const tools = { desk, packs, claim };
  return {
    scan: (input) => scan(input, desk),
    cut: createCutter(desk),
    storeRanges: (input) => storeRanges(input, tools),
    storeFiles: (input) => storeFiles(input, tools),
    storeBlobs: (input) => storeBlobs(input, tools),
    closePacks() {
      packs.data.close();
      packs.tree.close();
      return {};
    },
    writeBlobs: (input) => writeBlobs(input, desk),
    writeEdges: (input) => writeEdges(input),
    finishFiles: (input) => finishFiles(input),
    readBlobs({ packId, part, blobs }) {
      using laid = layPart(part, longestOf(blobs), packId, desk);
      return { plain: blobs.map((blob) => Uint8Array.from(openBlob(laid, blob, packId, desk))) };
    },
    checkPack: (input) => checkPack(input, desk),
  };
}

const STORING = "write packs";

/** What was under way when a disk said no. Errors of reading a source are part of a job's answer. */
const DOING: Record<JobKind, string> = {
  scan: "read source",
  cut: "read source",
  storeRanges: STORING,
  storeFiles: STORING,
  storeBlobs: STORING,
  closePacks: STORING,
  writeBlobs: "write restored files",
  writeEdges: "write restored files",
  finishFiles: "write restored files",
  readBlobs: "read from the repository",
  checkPack: "read from the repository",
};

/** Jobs are done one after the other on a desk of their own, while another lane waits for a disk. */
type Lane = { readonly desk: Desk; readonly handlers: Handlers; jobs: number; last: Promise<void> };

let known: WorkerSetup | undefined;
let lanes: Lane[] = [];

function setUp(setup: WorkerSetup, wanted: number): void {
  // The loops of the one before are warm; another repository has other keys.
  const isSame = isDeepStrictEqual(setup.key, known?.key) && setup.polynomial === known?.polynomial;
  const desks = isSame ? lanes.map(({ desk }) => desk) : [];
  known = setup;
  lanes = Array.from({ length: wanted }, (_, at) => {
    const desk = desks[at] ?? createDesk(setup.key, setup.polynomial);
    return { desk, handlers: handlersFor(setup, desk), jobs: 0, last: Promise.resolve() };
  });
}

function accept(job: number, kind: JobKind, input: unknown): void {
  const [lane] = lanes.toSorted((a, b) => a.jobs - b.jobs);
  assert(lane !== undefined, "a thread works for a pool only");
  lane.jobs++;
  const next = async (before: Promise<void>): Promise<void> => {
    await before;
    await work(lane.handlers, job, kind, input);
    lane.jobs--;
  };
  lane.last = next(lane.last);
}

async function work(handlers: Handlers, job: number, kind: JobKind, input: unknown): Promise<void> {
  try {
    const output = await (handlers[kind] as (input: unknown) => unknown)(input);
    send({ type: "done", job, output }, buffersOf(output));
  } catch (error) {
    const isStoring = DOING[kind] === STORING;
    const doing = `${DOING[kind]}${whereOf(kind, input)}`;
    const translated = translateDiskError(error, doing, isStoring ? OR_FEWER_POINTS : "");
    send({ type: "failed", job, error: toWorkerError(translated) });
  }
}

/** On which disk a job writes: who is told that it has no room has to find it. */
function whereOf(kind: JobKind, input: unknown): string {
  if (DOING[kind] === STORING) return ` in ${path.dirname(known?.spoolFolder ?? "")}`;
  const { blobs, edges, files } = input as Partial<
    Jobs["writeBlobs"]["in"] & Jobs["writeEdges"]["in"] & Jobs["finishFiles"]["in"]
  >;
  const file = edges?.[0]?.path ?? files?.[0]?.path ?? blobs?.[0]?.targets?.[0]?.path;
  return file === undefined ? "" : ` in ${toText(path.dirname(file))}`;
}

function toWorkerError(error: unknown): WorkerError {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const { code, hint } = error as { code?: string; hint?: string };
  return { message, code, hint, isAppError: error instanceof AppError, stack };
}

/** Of a thread only, on Linux. A service may be forbidden to: then it works as before. */
function giveWay(): void {
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
}

port.on("message", (message: ToWorker) => {
  switch (message.type) {
    case "setup":
      return setUp(message.setup, message.lanes);
    case "claimed":
      return answerClaim?.(message.wanted);
    case "job":
      return accept(message.job, message.kind, message.input);
    case "give way":
      return giveWay();
    case "close":
      // With nobody left to hear from, the thread ends.
      return port.close();
  }
});

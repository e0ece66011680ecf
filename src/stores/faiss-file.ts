import { open } from "node:fs/promises";
import { nothingThere } from "../base/errors.ts";

/** What the beginning of a FAISS index says of it. */
export type FaissHeader = {
  /** The class in FAISS, such as IndexFlatL2; the four letters where we do not know it. */
  readonly type: string;
  readonly dimension: number;
  readonly count: number;
  readonly metric: string;
};

// As faiss/impl/index_write.cpp writes it: write_index_header after four letters.
const TYPES: Readonly<Record<string, string>> = {
  IxF2: "IndexFlatL2",
  IxFI: "IndexFlatIP",
  IxFl: "IndexFlat",
  IwFl: "IndexIVFFlat",
  IwPQ: "IndexIVFPQ",
  IwSq: "IndexIVFScalarQuantizer",
  IHNf: "IndexHNSWFlat",
  IHNp: "IndexHNSWPQ",
  IHNs: "IndexHNSWSQ",
  IxMp: "IndexIDMap",
  IxM2: "IndexIDMap2",
  IxPT: "IndexPreTransform",
  IxPq: "IndexPQ",
  IxPQ: "IndexPQ",
  IxSQ: "IndexScalarQuantizer",
  IxHe: "IndexLSH",
};
const METRICS = ["inner-product", "l2", "l1", "linf", "lp"];
const FLAT = new Set(["IxF2", "IxFI", "IxFl"]);

const HEADER_BYTES = 37;
const METRIC_ARGUMENT_BYTES = 4;
const COUNT_BYTES = 8;
const FLOAT_BYTES = 4;
const DIMENSION_MAX = 1_000_000;

/**
 * Reads the header without loading the index. Undefined when there is no such file; a text when it
 * is no index, or was cut: of a flat index the length is known, of others only that it is short.
 */
export async function readFaissHeader(file: string): Promise<FaissHeader | string | undefined> {
  const handle = await open(file).catch(nothingThere);
  if (handle === undefined) return undefined;
  await using opened = handle;
  const { size } = await opened.stat();
  const bytes = Buffer.alloc(HEADER_BYTES);
  const { bytesRead } = await opened.read(bytes, 0, HEADER_BYTES, 0);
  if (bytesRead < HEADER_BYTES) return "is_cut";
  const letters = bytes.toString("latin1", 0, 4);
  const dimension = bytes.readInt32LE(4);
  const count = Number(bytes.readBigInt64LE(8));
  const metric = bytes.readInt32LE(33);
  const isPlausible =
    /^I[A-Za-z0-9]{3}$/.test(letters) && dimension > 0 && dimension < DIMENSION_MAX;
  if (!isPlausible || count < 0) return "is_no_index";
  const argument = metric > 1 ? METRIC_ARGUMENT_BYTES : 0;
  const vectors = HEADER_BYTES + argument + COUNT_BYTES + FLOAT_BYTES * dimension * count;
  if (FLAT.has(letters) && size !== vectors) return size < vectors ? "is_cut" : "is_too_long";
  return {
    type: TYPES[letters] ?? letters,
    dimension,
    count,
    metric: METRICS[metric] ?? String(metric),
  };
}

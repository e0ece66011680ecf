import { constants, createZstdCompress, createZstdDecompress } from "node:zlib";
import { compress, decompress } from "./compress.ts";

/**
 * zstd from memory to memory, for the threads that handle every blob.
 *
 * Node's own functions make a context and a buffer for each call. That costs 20 µs a blob, five
 * times what a small file needs, and leaves hundreds of megabytes behind for a collector that does
 * not see them. So this calls, as Node's functions do, `writeSync` of the handle inside. That is
 * no documented interface: it is used only with the major versions of Node it was tried with, and
 * only after it has compressed and opened something here; else Node's own functions do the work.
 */
export type Zstd = {
  /** Writes one frame and returns its length. The target has to have room for `frameBytesMax`. */
  compress(plain: Uint8Array, target: Uint8Array): number;
  /** As `compress`, several times as fast, and only what repeats becomes shorter. */
  compressRepeats(plain: Uint8Array, target: Uint8Array): number;
  /** Writes what is in the frame and returns its length; undefined when it is not sound. */
  decompress(frame: Uint8Array, target: Uint8Array): number | undefined;
};

/** The most that zstd makes of so many bytes (ZSTD_compressBound, rounded up). */
export function frameBytesMax(plainBytes: number): number {
  return plainBytes + (plainBytes >> 8) + 128;
}

const NODE_MAJORS_TRIED: readonly number[] = [24];
const LEVEL = 1;
/** Below zero zstd leaves what does not repeat as it is. */
const REPEATS_LEVEL = -7;

export function createZstd(): Zstd {
  const major = Number(process.versions.node.split(".")[0]);
  if (!NODE_MAJORS_TRIED.includes(major)) return plainZstd;
  const direct = directZstd();
  return works(direct) ? direct : plainZstd;
}

const compressAt = (level: number, plain: Uint8Array, target: Uint8Array): number => {
  const frame = compress(plain, level);
  target.set(frame);
  return frame.length;
};

const plainZstd: Zstd = {
  compress: (plain, target) => compressAt(LEVEL, plain, target),
  compressRepeats: (plain, target) => compressAt(REPEATS_LEVEL, plain, target),
  decompress(frame, target) {
    try {
      const plain = decompress(frame, target.length);
      target.set(plain);
      return plain.length;
    } catch {
      // What is wrong with it does not matter to the caller: it is damaged.
      return undefined;
    }
  },
};

/** What is used of a zlib stream besides its documented methods. */
type Inside = {
  readonly _handle: {
    writeSync(
      flush: number,
      input: Uint8Array,
      inputAt: number,
      inputLength: number,
      output: Uint8Array,
      outputAt: number,
      outputLength: number,
    ): void;
  };
  /** After a call: the bytes left of the output and of the input. */
  readonly _writeState: Uint32Array;
  readonly destroyed: boolean;
};

const UNTOUCHED = 0xffffffff;

function directZstd(): Zstd {
  // An error shows in the state as well; the event would end the process where nobody listens.
  const quiet = (stream: { on(event: "error", listener: () => void): unknown }): Inside =>
    stream.on("error", () => {}) as Inside;
  const openCompress = (level: number): Inside =>
    quiet(createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: level } }));
  const openDecompress = (): Inside => quiet(createZstdDecompress());
  let decompressor = openDecompress();

  /** A whole frame at once leaves the context ready for the next; anything else spoils it. */
  const transform = (stream: Inside, input: Uint8Array, output: Uint8Array): number | undefined => {
    const state = stream._writeState;
    state[0] = UNTOUCHED;
    stream._handle.writeSync(
      constants.ZSTD_e_end,
      input,
      0,
      input.length,
      output,
      0,
      output.length,
    );
    const [outputLeft = UNTOUCHED, inputLeft] = state;
    if (stream.destroyed || outputLeft === UNTOUCHED || inputLeft !== 0) return undefined;
    return output.length - outputLeft;
  };

  const compressor = (level: number): Zstd["compress"] => {
    let stream = openCompress(level);
    return (plain, target) => {
      const length = transform(stream, plain, target.subarray(0, frameBytesMax(plain.length)));
      if (length !== undefined) return length;
      stream = openCompress(level);
      return compressAt(level, plain, target);
    };
  };

  return {
    compress: compressor(LEVEL),
    compressRepeats: compressor(REPEATS_LEVEL),
    decompress(frame, target) {
      const length = transform(decompressor, frame, target);
      // A frame that ends early leaves the context in its middle.
      if (length !== target.length) decompressor = openDecompress();
      return length;
    },
  };
}

function works(zstd: Zstd): boolean {
  const plain = Buffer.from("a frame, and a frame, and a frame again, to see that it works");
  const target = Buffer.alloc(frameBytesMax(plain.length));
  for (let round = 0; round < 2; round++) {
    const length = zstd.compress(plain, target);
    const back = Buffer.alloc(plain.length);
    if (!decompress(target.subarray(0, length), plain.length).equals(plain)) return false;
    if (zstd.decompress(target.subarray(0, length), back) !== plain.length) return false;
    if (!back.equals(plain)) return false;
  }
  return true;
}

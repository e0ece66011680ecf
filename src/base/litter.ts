import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

// Buffers that Node makes are dead soon, but its collector looks at the small objects that stand for them
// and not at the bytes behind these: it lets some hundred megabytes pile up, and then looks through
// everything there is. A minor collection takes a tenth of a millisecond.

type Collect = (options: { readonly type: "minor" }) => void;
let collect: Collect | undefined;

function collectLitter(): void {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    // On busy processors it would wait for its helpers longer than the work takes.
    setFlagsFromString("--no-parallel-scavenge");
    // A context that is made after the flag was set has the function.
    collect = runInNewContext("gc") as Collect;
  }
  collect({ type: "minor" });
}

const LITTER_BYTES_MAX = 8 * 1024 * 1024;

/** Counts what is left behind, and has what nobody needs any more collected before it is much. */
export function litterBox(): (bytes: number) => void {
  let bytesNow = 0;
  return (bytes) => {
    bytesNow += bytes;
    if (bytesNow < LITTER_BYTES_MAX) return;
    bytesNow = 0;
    collectLitter();
  };
}

/** Gives the memory of bytes that nobody else uses back at once, not when a collector comes by. */
export function free(bytes: Buffer<ArrayBuffer>): void {
  // What shares its memory with others, as small buffers may, is not ours to free.
  if (bytes.byteLength === bytes.buffer.byteLength) bytes.buffer.transfer(0);
}

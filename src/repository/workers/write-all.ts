import { writeSync } from "node:fs";

/** Writes all of the bytes there; a system may take a part at a time. Throws what it says. */
export function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, position + done);
  }
}

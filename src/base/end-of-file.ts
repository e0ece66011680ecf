import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** The last bytes of a file as text, none of those before `from`. Throws where it cannot be read. */
export function endOfFile(file: string, bytesMax: number, from = 0): string {
  const handle = openSync(file, "r");
  try {
    const start = Math.max(from, fstatSync(handle).size - bytesMax);
    const buffer = Buffer.alloc(bytesMax);
    return buffer.toString("utf8", 0, readSync(handle, buffer, 0, bytesMax, start));
  } finally {
    closeSync(handle);
  }
}

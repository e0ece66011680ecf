import type { Readable } from "node:stream";

/**
 * What a stream gives, taken as soon as it comes, up to so many bytes ahead of whoever reads here. A pipe holds
 * a fifth of a megabyte: a program that fills it stands still until somebody has the time to read on.
 * Throws what the stream fails with; the stream is closed when nobody reads any more.
 */
export async function* readAhead(source: Readable, bytesMax: number): AsyncGenerator<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  let end: { readonly error: unknown } | undefined;
  let wake = (): void => {};
  source.on("data", (part: Buffer) => {
    parts.push(part);
    bytes += part.length;
    if (bytes >= bytesMax) source.pause();
    wake();
  });
  const finish = (error?: unknown): void => {
    end ??= { error };
    wake();
  };
  source.once("end", finish).once("error", finish).once("close", finish);
  try {
    for (;;) {
      const part = parts.shift();
      if (part !== undefined) {
        bytes -= part.length;
        if (source.isPaused() && bytes < bytesMax) source.resume();
        yield part;
      } else if (end === undefined) {
        await new Promise<void>((resolve) => (wake = resolve));
      } else if (end.error === undefined) {
        return;
      } else {
        throw end.error;
      }
    }
  } finally {
    source.destroy();
  }
}

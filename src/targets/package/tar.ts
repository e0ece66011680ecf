import { createReadStream } from "node:fs";
import { Readable, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { createTarDecoder } from "modern-tar";
import { type Entry, invalid, reasonOf } from "./entry.ts";

/** The entries of a tar file that may be compressed. */
export async function* tarEntries(
  file: string,
  compression: "none" | "gzip" | "zstd",
  label: string,
): AsyncGenerator<Entry> {
  const raw = createReadStream(file);
  const plain = compression === "none" ? raw : raw.pipe(decompressor(compression));
  raw.on("error", (error) => plain.destroy(error));
  try {
    const entries = (Readable.toWeb(plain) as ReadableStream<Uint8Array>).pipeThrough(
      createTarDecoder({ strict: true }),
    );
    for await (const { header, body } of entries) {
      const { name: path, mode = 0o644 } = header;
      switch (header.type ?? "file") {
        case "directory":
          yield { type: "folder", path, mode };
          await body.cancel();
          break;
        case "symlink":
          yield { type: "link", path, mode, target: header.linkname ?? "" };
          await body.cancel();
          break;
        case "file":
          yield { type: "file", path, mode, content: body };
          break;
        default:
          // Hard links too: what they name may be anything by the time that they are made.
          throw invalid(label, `${path} is a ${header.type}`);
      }
    }
  } catch (error) {
    throw error instanceof Error && error.name === "AppError"
      ? error
      : invalid(label, reasonOf(error));
  } finally {
    raw.destroy();
    plain.destroy();
  }
}

function decompressor(compression: "gzip" | "zstd"): Transform {
  return compression === "gzip" ? createGunzip() : createZstdDecompress();
}

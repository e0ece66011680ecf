import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import * as z from "zod";
import { AppError, nothingThere } from "../../base/errors.ts";
import type { Source } from "../folder/stage.ts";
import type { Entry } from "../package/entry.ts";
import { RELEASE_FILE } from "../release-file.ts";

const DESCRIPTOR = "image.json";
const ARCHIVE = "image.tar";

const descriptor = z.object({
  /** Name and tag by which it is started. */
  reference: z.string(),
  /** The engine's id: of its content, whatever the tag is given to later. */
  id: z.string(),
  /** As the registry has it, `name@sha256:…`; undefined for what was made on this machine. */
  digest: z.string().optional(),
  created: z.string(),
  /** What the image's label says of its migrations. */
  says: z.string().optional(),
});

/** What a release of images consists of: a folder with this in a file. */
export type Descriptor = z.infer<typeof descriptor>;

function descriptorFile(folder: string): string {
  return path.join(folder, DESCRIPTOR);
}

/** Undefined when there is no such folder. CORRUPT for a file that is no descriptor. */
export async function readDescriptor(folder: string): Promise<Descriptor | undefined> {
  const file = descriptorFile(folder);
  const text = await readFile(file, "utf8").catch(nothingThere);
  if (text === undefined) return undefined;
  try {
    return descriptor.parse(JSON.parse(text));
  } catch (error) {
    throw new AppError("CORRUPT", `read ${file}: it names no image`, { cause: error });
  }
}

/** A file with an image in it, which is gone once it is disposed. */
export type Archive = AsyncDisposable & { readonly file: string };

/** The image itself, as `docker save` writes it, where releases keep it. */
export function archiveFile(folder: string): string {
  return path.join(folder, ARCHIVE);
}

/**
 * A release of nothing but a descriptor, what the image says of its migrations, and the image
 * itself where there is an archive of it.
 */
export function sourceFor(found: Descriptor, archived?: () => Promise<Archive>): Source {
  const entries = async function* (): AsyncGenerator<Entry> {
    if (archived !== undefined) {
      await using archive = await archived();
      yield { type: "file", path: ARCHIVE, mode: 0o600, content: createReadStream(archive.file) };
    }
    yield textEntry(DESCRIPTOR, `${JSON.stringify(found, undefined, 2)}\n`);
    if (found.says !== undefined) yield textEntry(RELEASE_FILE, found.says);
  };
  return { entries: entries(), commands: [], mayLink: false };
}

function textEntry(at: string, text: string): Entry {
  const content = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from(text);
  };
  return { type: "file", path: at, mode: 0o644, content: content() };
}

import { crc32 } from "node:zlib";
import yauzl from "yauzl";
import { type Entry, invalid, reasonOf } from "./entry.ts";

const UNIX = 3;
const TYPE_MASK = 0o170000;
const FILE = 0o100000;
const FOLDER = 0o040000;
const LINK = 0o120000;
const LINK_BYTES_MAX = 4096;

/** The entries of a zip file. Modes are those of the Unix that made it; else as usual. */
export async function* zipEntries(file: string, label: string): AsyncGenerator<Entry> {
  const zip = await yauzl.openPromise(file, { lazyEntries: true, strictFileNames: true });
  try {
    for await (const entry of zip.eachEntry()) yield await toEntry(zip, entry, label);
  } catch (error) {
    throw error instanceof Error && error.name === "AppError"
      ? error
      : invalid(label, reasonOf(error));
  } finally {
    zip.close();
  }
}

async function toEntry(zip: yauzl.ZipFile, entry: yauzl.Entry, label: string): Promise<Entry> {
  const path = entry.fileName;
  if (entry.isEncrypted()) throw invalid(label, `${path} is encrypted`);
  const attributes = entry.externalFileAttributes >>> 16;
  const isUnix = entry.versionMadeBy >> 8 === UNIX && attributes !== 0;
  const type = isUnix ? attributes & TYPE_MASK : 0;
  if (path.endsWith("/") || type === FOLDER) {
    return { type: "folder", path, mode: isUnix ? attributes & 0o7777 : 0o755 };
  }
  if (type !== 0 && type !== FILE && type !== LINK) throw invalid(label, `${path} is a device`);
  const mode = isUnix ? attributes & 0o7777 : 0o644;
  const content = checked(zip, entry, label);
  if (type !== LINK) return { type: "file", path, mode, content };
  if (entry.uncompressedSize > LINK_BYTES_MAX) throw invalid(label, `the link ${path} is too long`);
  const target = Buffer.concat(await Array.fromAsync(content)).toString();
  return { type: "link", path, mode: 0o777, target };
}

/** yauzl compares the size only. */
async function* checked(
  zip: yauzl.ZipFile,
  entry: yauzl.Entry,
  label: string,
): AsyncGenerator<Uint8Array> {
  let sum = 0;
  for await (const part of await zip.openReadStreamPromise(entry)) {
    const bytes = part as Buffer;
    sum = crc32(bytes, sum);
    yield bytes;
  }
  if (sum !== entry.crc32) throw invalid(label, `${entry.fileName} is damaged: its CRC is wrong`);
}

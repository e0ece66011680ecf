import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { type Connection, SftpFailure } from "./connection.ts";
import { type Attributes, OPEN, STATUS, TYPE, withMode } from "./packets.ts";

// Files over a connection. Many requests are under way at a time: one after the other each would cost the
// way to the server and back.

const PIECE_BYTES = 64 * 1024;
const AT_ONCE = 32;
const FILE_MODE = 0o400;
const FOLDER_MODE = 0o700;
const SYNC = "fsync@openssh.com";

export async function readFile(
  connection: Connection,
  file: string,
  { offsetBytes, lengthBytes }: { readonly offsetBytes: number; readonly lengthBytes: number },
  run: Run,
): Promise<{ bytes: Buffer; got: number }> {
  const handle = (await connection.ask(TYPE.open, [file, OPEN.read, 0], run)).bytes();
  const bytes = Buffer.allocUnsafe(lengthBytes);
  let got = lengthBytes;
  const readPiece = async (from: number): Promise<void> => {
    const end = Math.min(from + PIECE_BYTES, lengthBytes);
    // A server may give less than it was asked for.
    for (let at = from; at < end;) {
      const fields = [handle, BigInt(offsetBytes + at), end - at] as const;
      const data = await connection.ask(TYPE.read, fields, run).catch(endOfFile);
      if (data === undefined) {
        got = Math.min(got, at);
        return;
      }
      const piece = data.bytes();
      if (piece.length === 0) throw new AppError("UNAVAILABLE", `read ${file}: nothing comes`);
      at += piece.copy(bytes, at);
    }
  };
  try {
    await pieces(lengthBytes, readPiece);
    return { bytes, got };
  } finally {
    await connection.ask(TYPE.close, [handle], run).catch(() => {});
  }
}

/** Writes a file of its own, to the server's disk. */
export async function writeFile(
  connection: Connection,
  file: string,
  bytesTotal: number,
  read: (from: number, to: number) => Promise<Uint8Array>,
  run: Run,
): Promise<void> {
  const flags = OPEN.write | OPEN.create | OPEN.exclusive;
  const handle = (
    await connection.ask(TYPE.open, [file, flags, ...withMode(FILE_MODE)], run)
  ).bytes();
  try {
    await pieces(bytesTotal, async (from) => {
      const part = await read(from, Math.min(from + PIECE_BYTES, bytesTotal));
      await connection.ask(TYPE.write, [handle, BigInt(from), part], run);
    });
    if (connection.extensions.has(SYNC)) await connection.ask(TYPE.extended, [SYNC, handle], run);
  } finally {
    // Some servers say only here that there was no room.
    await connection.ask(TYPE.close, [handle], run);
  }
}

async function pieces(total: number, work: (from: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < total) {
      const from = next;
      next += PIECE_BYTES;
      await work(from);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

export type Entry = Attributes & { readonly name: string };

/** Empty when there is no such folder. */
export async function readFolder(
  connection: Connection,
  folder: string,
  run: Run,
): Promise<Entry[]> {
  const opened = await connection.ask(TYPE.openFolder, [folder], run).catch(notThere);
  if (opened === undefined) return [];
  const handle = opened.bytes();
  const entries: Entry[] = [];
  try {
    for (;;) {
      const answer = await connection.ask(TYPE.readFolder, [handle], run).catch(endOfFile);
      if (answer === undefined) return entries;
      for (let left = answer.number(); left > 0; left--) {
        const name = answer.text();
        answer.text();
        entries.push({ name, ...answer.attributes() });
      }
    }
  } finally {
    await connection.ask(TYPE.close, [handle], run).catch(() => {});
  }
}

/** Undefined: it is not there. */
export async function statOf(
  connection: Connection,
  file: string,
  run: Run,
): Promise<Attributes | undefined> {
  return (await connection.ask(TYPE.lstat, [file], run).catch(notThere))?.attributes();
}

/** With the folders above it. */
export async function makeFolders(connection: Connection, folder: string, run: Run): Promise<void> {
  if (folder === "/" || (await statOf(connection, folder, run)) !== undefined) return;
  await makeFolders(connection, folder.slice(0, folder.lastIndexOf("/")) || "/", run);
  await connection
    .ask(TYPE.makeFolder, [folder, ...withMode(FOLDER_MODE)], run)
    .catch(async (error: unknown) => {
      // Another one may have made it.
      if ((await statOf(connection, folder, run)) === undefined) throw error;
    });
}

const among =
  (statuses: readonly number[]) =>
  (error: unknown): undefined => {
    if (error instanceof SftpFailure && statuses.includes(error.status)) return undefined;
    throw error;
  };

export const notThere = among([STATUS.noSuchFile]);
const endOfFile = among([STATUS.eof]);

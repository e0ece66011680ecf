import { hash } from "node:crypto";
import { AppError } from "../../base/errors.ts";
import { decodeHeader, type PackEntry } from "../format/pack-header.ts";
import type { Desk } from "./desk.ts";
import type { Jobs, StoredBlob } from "./jobs.ts";
import { type LaidPart, layPart, openBlob } from "./open-blobs.ts";

/**
 * Reads a whole pack as a restore would: its header and every blob of it. Its size being what the
 * index says, no byte is left out: each lies under a seal, and each blob under its own hash too. So
 * the hash of the pack as a whole is only asked for to say more of a damaged one.
 */
export function checkPack(
  { packId, part, blobs }: Jobs["checkPack"]["in"],
  desk: Desk,
): Jobs["checkPack"]["out"] {
  const problems = new Set<string>();
  using laid = layPart(part, part.length, packId, desk);
  const listed = blobs.toSorted((a, b) => a.offset - b.offset);
  collect(problems, () => compareWithIndex(headerOf(laid, packId, desk), listed));
  for (const blob of listed) collect(problems, () => void openBlob(laid, blob, packId, desk));
  if (problems.size === 0) return { problems: [] };
  collect(problems, () => {
    if (hashAgain(part, packId, desk) === packId) return;
    throw new AppError("CORRUPT", "its content does not match its name");
  });
  return { problems: [...problems] };
}

/** Blobs are opened in place, so that the pack has to be laid anew. */
function hashAgain(part: Jobs["checkPack"]["in"]["part"], packId: string, desk: Desk): string {
  using laid = layPart(part, part.length, packId, desk);
  const at = laid.placeOf(0, laid.length);
  return hash("sha256", desk.memory.view(at, laid.length));
}

/** The entries of a pack's header. CORRUPT. */
function headerOf(pack: LaidPart, packId: string, desk: Desk): PackEntry[] {
  const what = `pack ${packId.slice(0, 8)}`;
  const bytesAt = (offset: number, length: number): Buffer =>
    Buffer.from(desk.memory.view(pack.placeOf(offset, length), length));
  const behind = pack.length - 4;
  const length = behind < 0 ? 0 : bytesAt(behind, 4).readUInt32LE();
  const from = behind - length;
  const header = from < 0 ? undefined : desk.box.open(bytesAt(from, length));
  if (header === undefined) throw new AppError("CORRUPT", `read ${what}: its header is damaged`);
  return decodeHeader(header, what);
}

function compareWithIndex(header: readonly PackEntry[], listed: readonly StoredBlob[]): void {
  const same =
    header.length === listed.length && header.every((entry, i) => isSame(entry, listed[i]!));
  if (!same) throw new AppError("CORRUPT", "its header and the index differ");
}

function isSame(a: StoredBlob, b: StoredBlob): boolean {
  return (
    a.id === b.id &&
    a.type === b.type &&
    a.offset === b.offset &&
    a.length === b.length &&
    a.uncompressedLength === b.uncompressedLength
  );
}

function collect(problems: Set<string>, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    problems.add(error.message);
  }
}

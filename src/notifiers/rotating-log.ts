import { appendFileSync, mkdirSync, renameSync, statSync } from "node:fs";
import path from "node:path";

const BYTES_MAX = 10_000_000;
const FILES_OLD = 3;

/**
 * Adds a line to a log of 10 MB, of which three older ones are kept. That it cannot be written is
 * no reason to stop what it tells of.
 */
export function appendRotating(file: string, line: string): void {
  try {
    mkdirSync(path.dirname(file), { recursive: true });
    const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (size + line.length > BYTES_MAX) {
      for (let i = FILES_OLD - 1; i >= 1; i--) moveIfThere(`${file}.${i}`, `${file}.${i + 1}`);
      moveIfThere(file, `${file}.1`);
    }
    appendFileSync(file, `${line}\n`);
  } catch {
    // A full disk, mostly; `doctor` says so.
  }
}

function moveIfThere(from: string, to: string): void {
  if (statSync(from, { throwIfNoEntry: false }) !== undefined) renameSync(from, to);
}

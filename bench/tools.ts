import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import path from "node:path";

/** One of the programs that are compared: how it is told to do each thing. */
export type Tool = {
  readonly name: string;
  readonly version: string;
  readonly env: Readonly<Record<string, string>>;
  readonly init: (repository: string) => readonly string[];
  readonly backup: (repository: string, source: string, pages: boolean) => readonly string[];
  readonly restore: (repository: string, target: string) => readonly string[];
  readonly check: (repository: string) => readonly string[];
};

const own = (verb: string, ...args: string[]): string[] => [
  process.execPath,
  path.join(import.meta.dirname, "lastgood.mjs"),
  verb,
  ...args,
];

/** lastgood's repository, without stores; the row of the store is measured by the command line. */
export const LASTGOOD: Tool = {
  name: "lastgood",
  version: `node ${process.versions.node}`,
  env: {},
  init: (repository) => own("init", repository),
  backup: (repository, source, pages) =>
    own("backup", repository, source, pages ? "pages" : "content"),
  restore: (repository, target) => own("restore", repository, target),
  check: (repository) => own("check", repository),
};

export const RESTIC: Tool = {
  name: "restic",
  version: versionOf("restic", "version"),
  env: {
    RESTIC_PASSWORD: "bench",
    RESTIC_CACHE_DIR: path.join(import.meta.dirname, "data", "cache"),
  },
  init: (repository) => ["restic", "-r", repository, "init", "-q"],
  backup: (repository, source) => ["restic", "-r", repository, "backup", "-q", source],
  restore: (repository, target) => [
    "restic",
    "-r",
    repository,
    "restore",
    "-q",
    "latest",
    "--target",
    target,
  ],
  check: (repository) => ["restic", "-r", repository, "check", "-q", "--read-data"],
};

let archive = 0;
export const BORG: Tool = {
  name: "borg",
  version: versionOf("borg", "--version"),
  env: { BORG_PASSPHRASE: "bench", BORG_RELOCATED_REPO_ACCESS_IS_OK: "yes" },
  init: (repository) => ["borg", "init", "-e", "repokey-blake2", repository],
  backup: (repository, source) => [
    "borg",
    "create",
    "-C",
    "zstd,1",
    `${repository}::a${++archive}`,
    source,
  ],
  restore: (repository, target) => [
    "sh",
    "-c",
    `mkdir -p "$2" && cd "$2" && borg extract "$1::a${archive}"`,
    "sh",
    repository,
    target,
  ],
  check: (repository) => ["borg", "check", "--verify-data", repository],
};

function versionOf(program: string, flag: string): string {
  try {
    return execFileSync(program, [flag], { encoding: "utf8" })
      .trim()
      .split(" ")
      .slice(0, 2)
      .join(" ");
  } catch {
    return "";
  }
}

export function bytesIn(folder: string): number {
  let sum = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) sum += statSync(path.join(entry.parentPath, entry.name)).size;
  }
  return sum;
}

import { AppError } from "../../base/errors.ts";

/** One thing in a package, as whoever made it says. */
export type Entry = {
  /** Relative, with slashes. */
  readonly path: string;
  readonly mode: number;
} & (
  | { readonly type: "file"; readonly content: AsyncIterable<Uint8Array> }
  | { readonly type: "folder" }
  | { readonly type: "link"; readonly target: string }
);

/** What a package may at most contain: it comes from outside. */
export type PackageLimits = { readonly bytesMax: number; readonly entriesMax: number };

const SETUID_OR_SETGID = 0o6000;
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f]/;
const PATH_BYTES_MAX = 4000;

/**
 * Lets entries through that can be put into a folder without leaving it. INVALID_PACKAGE for
 * everything else; how much there may be is looked at while it is read, whatever the headers say.
 */
export async function* guarded(
  entries: AsyncIterable<Entry>,
  label: string,
  limits: PackageLimits,
): AsyncGenerator<Entry> {
  const seen: Seen = { types: new Map(), above: new Set() };
  let bytes = 0;
  for await (const entry of entries) {
    const path = normalised(entry.path, label);
    if (path === "") continue;
    if (seen.types.size >= limits.entriesMax) {
      throw invalid(label, `more than ${limits.entriesMax} entries`);
    }
    refuseCollision(seen, path, entry.type, label);
    if ((entry.mode & SETUID_OR_SETGID) !== 0) throw invalid(label, `${path} is setuid or setgid`);
    if (entry.type === "link") refuseLinkOut(path, entry.target, label);
    if (entry.type !== "file") {
      yield { ...entry, path };
      continue;
    }
    const { content } = entry;
    const counted = async function* (): AsyncGenerator<Uint8Array> {
      for await (const part of content) {
        bytes += part.length;
        if (bytes > limits.bytesMax) throw invalid(label, `more than ${limits.bytesMax} bytes`);
        yield part;
      }
    };
    yield { ...entry, path, content: counted() };
  }
  if (seen.types.size === 0) throw invalid(label, "it is empty");
}

function normalised(path: string, label: string): string {
  if (path.startsWith("/") || path.includes("\\")) {
    throw invalid(label, `${JSON.stringify(path)} is an absolute path or has backslashes`);
  }
  if (CONTROL_CHARACTERS.test(path)) {
    throw invalid(label, `${JSON.stringify(path)} has control characters`);
  }
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw invalid(label, `${JSON.stringify(path)} leads out of it`);
  const clean = parts.join("/");
  if (Buffer.byteLength(clean) > PATH_BYTES_MAX || parts.some((p) => Buffer.byteLength(p) > 255)) {
    throw invalid(label, `${JSON.stringify(clean.slice(0, 60))}… is too long a name`);
  }
  return clean;
}

type Seen = { readonly types: Map<string, Entry["type"]>; readonly above: Set<string> };

/** Twice the same, or below something that is no folder: a link would lead the file elsewhere. */
function refuseCollision(
  { types, above }: Seen,
  path: string,
  type: Entry["type"],
  label: string,
): void {
  const before = types.get(path);
  if (before !== undefined && !(before === "folder" && type === "folder")) {
    throw invalid(label, `${path} is in it twice`);
  }
  if (type !== "folder" && above.has(path)) {
    throw invalid(label, `something lies below ${path}, which is no folder`);
  }
  for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
    const folder = path.slice(0, at);
    const its = types.get(folder);
    if (its === "link" || its === "file") throw invalid(label, `${path} is below a ${its}`);
    above.add(folder);
  }
  types.set(path, type);
}

function refuseLinkOut(path: string, target: string, label: string): void {
  const problem = invalid(label, `the link ${path} leads out of it: ${JSON.stringify(target)}`);
  if (target === "" || target.startsWith("/") || CONTROL_CHARACTERS.test(target)) throw problem;
  let depth = path.split("/").length - 1;
  for (const part of target.split("/")) {
    if (part === "..") depth--;
    else if (part !== "" && part !== ".") depth++;
    if (depth < 0) throw problem;
  }
}

/** Some errors of libraries have a code and no words. */
export function reasonOf(error: unknown): string {
  const { message, code } = error as Error & { code?: string };
  if (code === "Z_BUF_ERROR") return "it is cut off";
  return message || code || "it is damaged";
}

export function invalid(label: string, problem: string): AppError {
  return new AppError("INVALID_PACKAGE", `read package ${label}: ${problem}`, {
    hint: "Nothing was changed. Have the package made again.",
  });
}

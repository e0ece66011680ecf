import { createHash } from "node:crypto";
import { mkdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { AppError, nothingThere, systemCode } from "../../base/errors.ts";
import { waitForFileLock } from "../../base/file-lock.ts";
import { writeFileDurable } from "../../base/fs.ts";
import { realPath } from "../../base/real-path.ts";

// Env files as compose reads them: https://docs.docker.com/reference/compose-file/services/#env_file

const LOCK_MS_MAX = 10_000;

/** The value of a key; undefined when the file does not have it. The last line of a key counts. */
export async function readKey(file: string, key: string): Promise<string | undefined> {
  const lines = linesOf(await readText(file)).filter((line) => keyOf(line) === key);
  const last = lines.at(-1);
  return last === undefined ? undefined : valueOf(last);
}

/**
 * Gives one key a value. Every other byte of the file stays, its mode and owner too: it has other
 * secrets. A file that is not there is made; a link is followed. Whoever changes another key meanwhile
 * waits: `locks` is a folder on the local disk. LOCKED.
 */
export async function writeKey(
  file: string,
  key: string,
  value: string,
  locks: string,
): Promise<void> {
  const real = await realPath(file);
  await mkdir(locks, { recursive: true, mode: 0o700 });
  const hash = createHash("sha256").update(real).digest("hex").slice(0, 16);
  // No component has such a name.
  using held = await waitForFileLock(path.join(locks, `~file-${hash}.lock`), LOCK_MS_MAX);
  if (held === undefined) {
    throw new AppError("LOCKED", `write ${key} in ${file}: somebody else has it for too long`);
  }
  const text = await readText(real);
  const found = linesOf(text).findLastIndex((line) => keyOf(line) === key);
  const lines = linesOf(text);
  const before = lines[found];
  if (before !== undefined && valueOf(before) === value) return;
  // What stands before and behind the value stays, such as a comment.
  const [, head = `${key}=`, , tail = ""] =
    /^(.*?=\s*)("[^"]*"|'[^']*'|.*?)(\s+#.*|\s*)$/s.exec(before ?? "") ?? [];
  const line = head + value + tail;
  const changed =
    before === undefined
      ? `${text === "" || text.endsWith("\n") ? text : `${text}\n`}${line}\n`
      : lines.with(found, line).join("\n");
  const old = await stat(real).catch(nothingThere);
  const mode = old === undefined ? 0o600 : old.mode & 0o7777;
  await writeFileDurable(real, Buffer.from(changed), "replace", mode, old).catch(
    (error: unknown) => {
      if (systemCode(error) !== "EPERM") throw error;
      throw new AppError("REFUSED", `write ${key} in ${file}: it would get another owner`, {
        hint: "Run lastgood as root, or as who owns the file.",
        cause: error,
      });
    },
  );
}

async function readText(file: string): Promise<string> {
  const bytes = await readFile(file).catch(nothingThere);
  if (bytes === undefined) return "";
  const text = bytes.toString("utf8");
  // Written back, it would be another file.
  if (Buffer.from(text).equals(bytes)) return text;
  throw new AppError("REFUSED", `read ${file}: it is not UTF-8`, {
    hint: "Write it as UTF-8, or name another env file.",
  });
}

function linesOf(text: string): string[] {
  return text.split("\n");
}

function keyOf(line: string): string | undefined {
  return /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=/.exec(line)?.[1];
}

/** Without quotes, and without a comment behind it. */
function valueOf(line: string): string {
  const text = line.slice(line.indexOf("=") + 1).trim();
  const [, quoted] =
    /^(?:"([^"]*)"|'([^']*)')/.exec(text)?.filter((part) => part !== undefined) ?? [];
  return quoted ?? text.replace(/\s+#.*$/, "");
}

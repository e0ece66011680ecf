import { AppError } from "./errors.ts";
import type { Run } from "./events.ts";
import { exec } from "./exec.ts";

// Extended attributes (ACLs and capabilities among them) by getfattr and setfattr, since Node has no
// function for them: many paths a call, in the format of getfattr(1), which setfattr reads again.

/** Labels of SELinux are left out: the policy of the machine gives them, by restorecon. */
const PATTERN = String.raw`^(user\.|trusted\.|security\.capability$|system\.posix_acl_)`;
const READ = ["xargs", "-0", "-r", "getfattr", "-h", "-d", "-m", PATTERN, "-e", "base64"] as const;
const TIMEOUT_MS = 10 * 60_000;
const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;
/** What xargs says when it does not find the program. */
const NOT_FOUND = 127;

/** Bytes as text, a character each (latin1): neither paths nor names have to be UTF-8. */
type ByteString = string;

export type ExtendedAttribute = { readonly name: ByteString; readonly value: Buffer | null };

export type AttributesByPath = ReadonlyMap<ByteString, readonly ExtendedAttribute[]>;

/** Undefined when the programs for it are not installed. */
export async function readAttributes(
  paths: readonly ByteString[],
  run: Run,
): Promise<AttributesByPath | undefined> {
  const input = Buffer.from(paths.join("\0"), "latin1");
  const command = [...READ, "--absolute-names", "--"] as const;
  // What vanished meanwhile makes it exit with 1; the others are in the output all the same.
  const result = await execBytes(command, input, run);
  return result === undefined ? undefined : parse(result.stdout);
}

/** Gives files their attributes; returns in words what could not be given. */
export async function writeAttributes(wanted: AttributesByPath, run: Run): Promise<string[]> {
  const blocks = [...wanted].map(([path, attributes]) => blockOf(path, attributes));
  if (blocks.length === 0) return [];
  const input = Buffer.from(blocks.join("\n"), "latin1");
  const result = await execBytes(["setfattr", "-h", "--restore=-"], input, run);
  if (result === undefined) {
    return ["extended attributes are not restored: setfattr is not installed (package attr)"];
  }
  return result.stderr.split("\n").filter((line) => line !== "");
}

async function execBytes(
  command: readonly [string, ...string[]],
  input: Buffer,
  run: Run,
): Promise<{ stdout: string; stderr: string } | undefined> {
  const options = { timeoutMs: TIMEOUT_MS, outputBytesMax: OUTPUT_BYTES_MAX, input };
  try {
    const result = await exec(command, { ...options, encoding: "latin1" }, run);
    return result.exitCode === NOT_FOUND ? undefined : result;
  } catch (error) {
    run.signal.throwIfAborted();
    if (error instanceof AppError) return undefined;
    throw error;
  }
}

function parse(text: string): AttributesByPath {
  const found = new Map<ByteString, ExtendedAttribute[]>();
  let current: ExtendedAttribute[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("# file: ")) {
      current = [];
      found.set(unescape(line.slice("# file: ".length)), current);
      continue;
    }
    if (line === "") continue;
    // One without a value may stand there without "=", too.
    const [name = "", value = ""] = line.split("=0s");
    current.push({ name: unescape(name), value: Buffer.from(value, "base64") });
  }
  return found;
}

function blockOf(path: ByteString, attributes: readonly ExtendedAttribute[]): string {
  const lines = attributes.map(
    ({ name, value }) => `${escape(name)}=0s${(value ?? Buffer.alloc(0)).toString("base64")}\n`,
  );
  return `# file: ${escape(path)}\n${lines.join("")}`;
}

/** Backslashes, line breaks and what ends a name stand there as octal numbers. */
function escape(text: ByteString): string {
  return text.replaceAll(/[\\\n\r=]/g, (char) => {
    return `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`;
  });
}

function unescape(text: string): ByteString {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

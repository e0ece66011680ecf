import { randomBytes } from "node:crypto";
import {
  chmod,
  link,
  lutimes,
  mkdir,
  open,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import path from "node:path";
import { CHUNK_BYTES_MAX, CHUNK_BYTES_MIN } from "../../src/repository/chunk-limits.ts";

/** File names that programs get wrong. */
const NAMES: readonly (string | Buffer)[] = [
  "plain",
  "with space",
  "new\nline",
  "tab\tand\rreturn",
  `quote"back\\slash`,
  "<&>",
  "-rf",
  "…",
  "\u00a0nbsp\u3000wide\u00ad soft",
  "\u2028line\u2029paragraph",
  "\ufffdreplacement",
  "\u{1f600}astral",
  "\uffee before astral",
  "\ue000private",
  "umlaut-ä",
  "umlaut-a\u0308",
  "ctrl-\x01\x1f\x7f",
  ".lastgood-not",
  Buffer.from([0x66, 0xff, 0xfe, 0x67]),
  Buffer.from([0xc3, 0x28]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from([0xf4, 0x90, 0x80, 0x80]),
  "n".repeat(255),
];

const SIZES = [
  0,
  1,
  CHUNK_BYTES_MIN - 1,
  CHUNK_BYTES_MIN,
  CHUNK_BYTES_MIN + 1,
  CHUNK_BYTES_MAX - 1,
  CHUNK_BYTES_MAX,
  CHUNK_BYTES_MAX + 1,
];

/** Fills a folder with everything in which backup programs have stumbled. */
export async function makeOddTree(root: string): Promise<void> {
  await mkdir(root, { recursive: true });
  await makeNames(path.join(root, "names"));
  await makeSizes(path.join(root, "sizes"));
  await makeLinks(path.join(root, "links"));
  await makeModesAndTimes(path.join(root, "modes"));
  await makeDeepAndWide(root);
  await mkdir(path.join(root, "empty"));
}

async function makeNames(folder: string): Promise<void> {
  await mkdir(folder);
  for (const [index, name] of NAMES.entries()) {
    const file = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name)]);
    await writeFile(file, `content ${index}`);
  }
}

async function makeSizes(folder: string): Promise<void> {
  await mkdir(folder);
  for (const size of SIZES) await writeFile(path.join(folder, `random-${size}`), randomBytes(size));
  await writeFile(path.join(folder, "large"), randomBytes(21 * 1024 * 1024 + 7));
  await writeFile(path.join(folder, "text"), "All work and no play. ".repeat(300_000));
  await writeFile(path.join(folder, "zeros"), Buffer.alloc(5 * 1024 * 1024));
  const sparse = path.join(folder, "sparse");
  await writeFile(sparse, "begin");
  await truncate(sparse, 40 * 1024 * 1024);
  await using handle = await open(sparse, "r+");
  await handle.write("middle", 20 * 1024 * 1024);
}

async function makeLinks(folder: string): Promise<void> {
  await mkdir(folder);
  await writeFile(path.join(folder, "one"), "two names, one file");
  await link(path.join(folder, "one"), path.join(folder, "two"));
  await symlink("one", path.join(folder, "soft"));
  await symlink("../nowhere/at all", path.join(folder, "dangling"));
  await symlink("/etc/hostname", path.join(folder, "absolute"));
  const raw = Buffer.from([0x74, 0xff, 0x00 + 0x01]);
  await symlink(raw, path.join(folder, "raw-target"));
  await symlink('quote"<&>\n\u2028', path.join(folder, "odd-target"));
  await lutimes(path.join(folder, "soft"), 1_000_000, 1_000_000);
}

async function makeModesAndTimes(folder: string): Promise<void> {
  await mkdir(folder);
  for (const mode of [0o600, 0o644, 0o755, 0o000, 0o4755, 0o2755, 0o1644, 0o7777]) {
    const file = path.join(folder, `mode-${mode.toString(8)}`);
    await writeFile(file, "mode");
    await chmod(file, mode);
  }
  const sticky = path.join(folder, "sticky");
  await mkdir(sticky);
  await chmod(sticky, 0o1777);
  for (const seconds of [-1_000_000.5, -1, 0, 1.25, 1_700_000_000.123456, 4_000_000_000]) {
    const file = path.join(folder, `time-${seconds}`);
    await writeFile(file, "time");
    await utimes(file, seconds, seconds);
  }
}

async function makeDeepAndWide(root: string): Promise<void> {
  const deep = path.join(root, "deep", ...Array.from({ length: 60 }, (_, i) => `d${i % 10}`));
  await mkdir(deep, { recursive: true });
  await writeFile(path.join(deep, "bottom"), "at the bottom");
  const wide = path.join(root, "wide");
  await mkdir(wide);
  for (let i = 0; i < 3000; i++) await writeFile(path.join(wide, `f${i}`), `file ${i}`);
}

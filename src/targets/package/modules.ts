import { readFile } from "node:fs/promises";
import path from "node:path";
import * as z from "zod";
import { AppError, nothingThere } from "../../base/errors.ts";
import { type Entry, invalid } from "./entry.ts";

// Packages of TOP.E's updater: a zip file with manifest.json and one file a module. The fields are
// those of its public sources; fields that are not known are left alone.

const MANIFEST = "manifest.json";
const MANIFEST_BYTES_MAX = 1024 * 1024;

const relative = z
  .string()
  .min(1)
  .refine((text) => !text.startsWith("/") && !text.split("/").includes(".."), "no way out");

const absolute = z
  .string()
  .startsWith("/")
  .refine(
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    (text) => path.posix.normalize(text) === text && !/[\u0000-\u001f\u007f]|\/$/.test(text),
    "a plain path of a file",
  );

const manifestSchema = z.object({
  version: z.string(),
  type: z.string().optional(),
  modules: z
    .array(
      z.object({
        name: z.string().min(1),
        src: relative,
        dst: absolute,
        process_name: z.string().nullish(),
        restart_order: z.number().nullish(),
        post_cmds: z.array(z.string()).nullish(),
      }),
    )
    .min(1),
});

export type ModuleManifest = z.output<typeof manifestSchema>;

/** A module whose place is outside of the releases. */
export type OutsideModule = { readonly path: string; readonly inRelease: string };

/** Undefined for a zip file that is no such package. INVALID_PACKAGE for one with mistakes. */
export async function readModuleManifest(
  file: string,
  label: string,
): Promise<ModuleManifest | undefined> {
  const text = await readEntry(file, MANIFEST, label);
  if (text === undefined) return undefined;
  return parse(text, label);
}

/** Of a release that is there; undefined when it was no such package. */
export async function parseModuleManifest(file: string): Promise<ModuleManifest | undefined> {
  const text = await readFile(file, "utf8").catch(nothingThere);
  return text === undefined ? undefined : parse(text, file);
}

function parse(text: string, label: string): ModuleManifest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(label, `${MANIFEST}: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || !("modules" in value)) return undefined;
  const { data, error } = manifestSchema.safeParse(value);
  if (data === undefined) {
    const [issue] = error.issues;
    throw invalid(label, `${MANIFEST}: ${issue?.path.join(".")}: ${issue?.message}`);
  }
  if (data.type !== undefined && data.type !== "full") {
    throw invalid(label, `it is ${data.type}: incremental packages are not supported`);
  }
  const names = data.modules.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw invalid(label, `${MANIFEST}: module ${twice} is in it twice`);
  return data;
}

/**
 * The files of such a package where a release has them: what goes below the folder that has the
 * releases lies at the same place in the release; what goes elsewhere lies under `outside`.
 */
export async function* moduleEntries(
  entries: AsyncIterable<Entry>,
  manifest: ModuleManifest,
  root: string,
  label: string,
): AsyncGenerator<Entry> {
  const missing = new Set(manifest.modules.map(({ src }) => clean(src)));
  for await (const entry of entries) {
    const modules = manifest.modules.filter(({ src }) => clean(src) === clean(entry.path));
    if (entry.path === MANIFEST && entry.type === "file") yield entry;
    if (modules.length === 0) continue;
    if (entry.type !== "file") throw invalid(label, `module ${entry.path} is no file`);
    missing.delete(clean(entry.path));
    const [first, ...others] = modules;
    if (others.length > 0) throw invalid(label, `${MANIFEST} names ${entry.path} twice`);
    const mode = first!.process_name ? 0o755 : entry.mode;
    yield { ...entry, path: placeInRelease(first!.dst, root), mode };
  }
  const [lost] = missing;
  if (lost !== undefined) throw invalid(label, `${MANIFEST} names ${lost}, which is not in it`);
  if (manifest.modules.some(({ dst }) => placeInRelease(dst, root) === "VERSION")) return;
  const content = (async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from(`${manifest.version.replace(/^v/, "")}\n`);
  })();
  yield { type: "file", path: "VERSION", mode: 0o644, content };
}

/** The modules of a release that have to lie elsewhere too. */
export function outsideModules({ modules }: ModuleManifest, root: string): OutsideModule[] {
  return modules
    .filter(({ dst }) => isOutside(dst, root))
    .map(({ dst }) => ({ path: dst, inRelease: placeInRelease(dst, root) }));
}

function isOutside(dst: string, root: string): boolean {
  return !dst.startsWith(`${path.dirname(root)}/`);
}

function placeInRelease(dst: string, root: string): string {
  if (isOutside(dst, root)) return `outside${dst}`;
  return dst.slice(path.dirname(root).length + 1);
}

function clean(src: string): string {
  return path.posix.normalize(src);
}

async function readEntry(file: string, name: string, label: string): Promise<string | undefined> {
  const broken = (error: unknown): never => {
    throw error instanceof AppError ? error : invalid(label, (error as Error).message);
  };
  const { default: yauzl } = await import("yauzl");
  const options = { lazyEntries: true, strictFileNames: true };
  const zip = await yauzl.openPromise(file, options).catch(broken);
  try {
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName !== name) continue;
      if (entry.uncompressedSize > MANIFEST_BYTES_MAX) throw invalid(label, `${name} is too long`);
      const parts: Buffer[] = [];
      for await (const part of await zip.openReadStreamPromise(entry)) parts.push(part as Buffer);
      return Buffer.concat(parts).toString("utf8");
    }
    return undefined;
  } catch (error) {
    return broken(error);
  } finally {
    zip.close();
  }
}

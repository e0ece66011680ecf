import { mkdir, open, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { nothingThere } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import type { Command } from "../base/exec.ts";
import type { Reader, Writer } from "../repository/repository.ts";
import type { Place } from "../slots/place.ts";
import { dumpMetadata, orUnreadable } from "./capturing.ts";
import { isServers } from "./database/common.ts";
import type { Tools } from "./database/tools.ts";
import { ownTree } from "./ownership.ts";
import {
  type Captured,
  errorWord,
  type FileStore,
  type Ownership,
  type StoreContext,
  tellProblems,
} from "./store.ts";

export type RedisConfig = {
  /** The server's own folder, as it is on this machine; without links. */
  readonly path: string;
  readonly tools: Tools;
  readonly connection: {
    readonly host: string | undefined;
    readonly port: number | undefined;
    readonly socket: string | undefined;
    readonly user: string | undefined;
  };
  readonly ownership: Ownership;
};

/** How the server calls what lies in its folder. */
type Layout = {
  readonly rdb: string;
  /** Undefined: there is no append-only file, and the snapshot is what it starts from. */
  readonly aof: { readonly folder: string; readonly name: string } | undefined;
};

const SNAPSHOT = "dump.rdb";
const LAYOUT = "lastgood-layout.json";
/** Whatever the configuration calls them, these are what a server loads. */
const LOADED = /\.rdb$|aof|appendonly/i;
const VERSIONS = ".lastgood";

/**
 * A Redis, or Valkey: a snapshot that the server itself gives, whoever writes meanwhile. Where it has
 * its append-only file on it would ignore a snapshot, so the snapshot becomes the base of a new one.
 */
export function redisStore(config: RedisConfig, { name, now }: StoreContext): FileStore {
  const live = path.join(config.path, SNAPSHOT);
  return {
    kind: "redis",
    name,
    where: config.path,
    livePath: config.path,
    capture: (into, at, run) => capture(config, name, now, into, at, run),
    place: async () => placeIn(config.path, await layoutIn(config.path)),
    materialise: (from, at, folder, run) => materialise(config, from, at, folder, run),
    async validate(folder) {
      const { rdb, aof } = await layoutIn(folder);
      const base = aof === undefined ? rdb : path.join(aof.folder, `${aof.name}.1.base.rdb`);
      const problem = await problemOf(path.join(folder, base));
      return problem === undefined ? [] : [errorWord(name, problem)];
    },
    loss: async () => [`what was written since; the snapshot in ${live} stays aside`],
  };
}

/** Only what the server loads is switched; access lists and the like beside it stay. */
function placeIn(folder: string, { aof }: Layout): Place {
  return {
    liveFolder: folder,
    versionsFolder: path.join(folder, VERSIONS),
    isLive: (file) => LOADED.test(file) || file === LAYOUT || file === aof?.folder,
    // It starts from the append-only file where there is one: that comes last.
    order: (a, b) => Number(a === aof?.folder) - Number(b === aof?.folder),
  };
}

async function capture(
  { connection, tools }: RedisConfig,
  name: string,
  now: () => Date,
  into: Writer,
  at: string,
  run: Run,
): Promise<Captured> {
  const { host, port, socket, user } = connection;
  const cli: Command = [
    "redis-cli",
    ...(host === undefined ? [] : ["-h", host]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    ...(socket === undefined ? [] : ["-s", socket]),
    ...(user === undefined ? [] : ["--user", user]),
  ];
  const metadata = dumpMetadata(now);
  return await orUnreadable(name, isServers, async () => {
    const layout = await askLayout(cli, tools, run);
    const seen = { first: Buffer.alloc(0), last: Buffer.alloc(0) };
    const source = snapshotIn(tools.read([...cli, "--rdb", "-"], run), seen);
    const { sizeBytes } = await into.stream(`${at}/${SNAPSHOT}`, source, metadata);
    await into.bytes(`${at}/${LAYOUT}`, Buffer.from(JSON.stringify(layout)), metadata);
    const problem = snapshotProblem(seen.first, seen.last);
    const errors = problem === undefined ? [] : [errorWord(name, problem)];
    return { facts: { bytes: sizeBytes }, errors, warnings: [] };
  });
}

async function askLayout(cli: Command, tools: Tools, run: Run): Promise<Layout> {
  const ask = async (key: string): Promise<string> => {
    const [, value = ""] = (await tools.ask([...cli, "CONFIG", "GET", key], undefined, run)).split(
      "\n",
    );
    return value;
  };
  const rdb = (await ask("dbfilename")) || SNAPSHOT;
  if ((await ask("appendonly")) !== "yes") return { rdb, aof: undefined };
  const folder = (await ask("appenddirname")) || "appendonlydir";
  return { rdb, aof: { folder, name: (await ask("appendfilename")) || "appendonly.aof" } };
}

/**
 * Takes away what ends the transfer and not the snapshot: into a file redis-cli cuts it off itself, on
 * its output it cannot.
 */
async function* snapshotIn(
  source: AsyncIterable<Buffer>,
  seen: { first: Buffer; last: Buffer },
): AsyncGenerator<Buffer> {
  let held = Buffer.alloc(0);
  for await (const part of source) {
    held = Buffer.concat([held, part]);
    if (seen.first.length < HEAD_BYTES) seen.first = Buffer.from(held.subarray(0, HEAD_BYTES));
    const ready = held.length - TAIL_BYTES - MARK_BYTES;
    if (ready <= 0) continue;
    yield held.subarray(0, ready);
    held = held.subarray(ready);
  }
  const mark = held.subarray(-MARK_BYTES).toString("latin1");
  const isMarked = held.at(-MARK_BYTES - TAIL_BYTES) === END && /^[0-9a-f]{40}$/.test(mark);
  const rest = isMarked ? held.subarray(0, -MARK_BYTES) : held;
  seen.last = rest.subarray(-TAIL_BYTES);
  yield rest;
}

/** Of a transfer whose length nobody knew before. */
const MARK_BYTES = 40;
const HEAD_BYTES = 9;
/** The end mark, and a checksum of eight bytes. */
const TAIL_BYTES = 9;
const END = 0xff;

/** https://rdb.fnordig.de/file_format.html; the server itself compares the checksum when it starts. */
function snapshotProblem(first: Buffer, last: Buffer): string | undefined {
  if (!/^REDIS\d{4}$/.test(first.toString("latin1"))) return "is_no_snapshot";
  return last.length === TAIL_BYTES && last[0] === END ? undefined : "is_cut";
}

async function problemOf(file: string): Promise<string | undefined> {
  const handle = await open(file).catch(nothingThere);
  if (handle === undefined) return "snapshot_missing";
  await using opened = handle;
  const { size } = await opened.stat();
  const [first, last] = [Buffer.alloc(HEAD_BYTES), Buffer.alloc(TAIL_BYTES)];
  await opened.read(first, 0, HEAD_BYTES, 0);
  await opened.read(last, 0, TAIL_BYTES, Math.max(0, size - TAIL_BYTES));
  return snapshotProblem(first, last);
}

async function materialise(
  { path: live, ownership }: RedisConfig,
  from: Reader,
  at: string,
  folder: string,
  run: Run,
): Promise<void> {
  const { rdb, aof } = JSON.parse((await from.read(`${at}/${LAYOUT}`)).toString()) as Layout;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (aof === undefined) {
    tellProblems(await from.file(`${at}/${SNAPSHOT}`, path.join(folder, rdb)), run);
  } else {
    const base = `${aof.name}.1.base.rdb`;
    await mkdir(path.join(folder, aof.folder));
    tellProblems(await from.file(`${at}/${SNAPSHOT}`, path.join(folder, aof.folder, base)), run);
    const manifest = `file ${base} seq 1 type b\n`;
    await writeFile(path.join(folder, aof.folder, `${aof.name}.manifest`), manifest);
  }
  await writeFile(path.join(folder, LAYOUT), JSON.stringify({ rdb, aof }));
  // The server has to be able to write there: by default as whoever the folder belongs to.
  const owner = await stat(live).catch(nothingThere);
  await ownTree(folder, { uid: owner?.uid, gid: owner?.gid, ...defined(ownership) });
}

function defined(ownership: Ownership): Ownership {
  return Object.fromEntries(Object.entries(ownership).filter(([, value]) => value !== undefined));
}

/** As the last restore left it, else as servers have it by themselves. */
async function layoutIn(folder: string): Promise<Layout> {
  const handle = await open(path.join(folder, LAYOUT)).catch(nothingThere);
  if (handle === undefined) return { rdb: SNAPSHOT, aof: undefined };
  await using opened = handle;
  return JSON.parse(await opened.readFile("utf8")) as Layout;
}

import { randomBytes } from "node:crypto";
import { open, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError, hasCode } from "../base/errors.ts";
import { unlessAborted } from "../base/unless-aborted.ts";
import type { Run } from "../base/events.ts";
import type { Command } from "../base/exec.ts";
import { type Backend, isKey, type Key, type ObjectInfo, type SpoolFile } from "./backend.ts";
import { connect, type Connection, SftpFailure } from "./sftp/connection.ts";
import { makeFolders, notThere, readFile, readFolder, statOf, writeFile } from "./sftp/files.ts";
import { STATUS, TYPE } from "./sftp/packets.ts";
import type { SftpPlace } from "./sftp-place.ts";

export type SftpConfig = SftpPlace & {
  /** The file with the key that ssh shows; undefined: what it has by itself. */
  readonly identity: string | undefined;
  readonly knownHosts: string | undefined;
  readonly spoolFolder: string;
};

const TRIES_MAX = 4;
const AGAIN_MS = 500;

/**
 * A folder of another machine, in restic's layout, over the machine's own ssh. Who we are there and whom
 * we trust is ssh's business; it is never asked for a password.
 */
export function sftpBackend(config: SftpConfig): Backend {
  const { folder, label, spoolFolder } = config;
  const server = reconnecting(config);
  const fileOf = (key: Key | string): string => `${folder}/${key}`;
  return {
    label,
    localFolder: undefined,
    spoolFolder,

    async put(key, data, run) {
      const doing = `write ${key} in ${label}`;
      const temporary = `${fileOf(path.posix.dirname(key))}/.put-${randomBytes(8).toString("hex")}`;
      const way = { temporary, file: fileOf(key), isSent: false };
      await server.use(
        doing,
        (connection) => put(connection, way, data, { doing, root: folder }, run),
        run,
      );
      if (!(data instanceof Uint8Array)) await rm(data.file, { force: true });
    },

    async get(key, range, run) {
      const doing = `read ${key} in ${label}`;
      return await server.use(
        doing,
        async (connection) => {
          const file = fileOf(key);
          const wanted = range === "all" ? await wholeOf(connection, file, doing, run) : range;
          const { bytes, got } = await readFile(connection, file, wanted, run);
          if (got === wanted.lengthBytes) return bytes;
          const end = wanted.offsetBytes + wanted.lengthBytes;
          const found = `${wanted.offsetBytes + got} bytes, at least ${end} expected`;
          throw new AppError("CORRUPT", `${doing}: ${found}`);
        },
        run,
      );
    },

    list: (prefix, run) => list(server, folder, label, prefix, run),

    async remove(key, run) {
      const remove = async (connection: Connection): Promise<void> => {
        await connection.ask(TYPE.remove, [fileOf(key)], run).catch(notThere);
      };
      await server.use(`remove ${key} in ${label}`, remove, run);
    },

    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function* list(
  server: Server,
  folder: string,
  label: string,
  prefix: string,
  run: Run,
): AsyncGenerator<ObjectInfo> {
  const below = [prefix.slice(0, prefix.lastIndexOf("/") + 1)];
  for (let at = below.pop(); at !== undefined; at = below.pop()) {
    run.signal.throwIfAborted();
    const name = `${folder}/${at}`.replace(/\/$/, "");
    const read = (connection: Connection): ReturnType<typeof readFolder> =>
      readFolder(connection, name, run);
    for (const entry of await server.use(`list ${label}`, read, run)) {
      const key = `${at}${entry.name}`;
      if (!isKey(key)) continue;
      if (entry.isFolder) below.push(`${key}/`);
      else if (key.startsWith(prefix)) yield { key, sizeBytes: entry.sizeBytes };
    }
  }
}

type Way = {
  readonly temporary: string;
  readonly file: string;
  /** Whether the name was asked for: the answer may be lost. */
  isSent: boolean;
};

/** Beside its place, to the server's disk, and then given its name, which no other may have. */
async function put(
  connection: Connection,
  way: Way,
  data: Uint8Array | SpoolFile,
  { doing, root }: { readonly doing: string; readonly root: string },
  run: Run,
): Promise<void> {
  const { temporary, file } = way;
  const isLost = way.isSent && (await statOf(connection, temporary, run)) === undefined;
  if (isLost && (await statOf(connection, file, run)) !== undefined) return;
  const before = await statOf(connection, file, run);
  if (before !== undefined) throw new AppError("ALREADY_EXISTS", `${doing}: already exists`);
  await connection.ask(TYPE.remove, [temporary], run).catch(notThere);
  try {
    await makeFolders(connection, path.posix.dirname(file), run);
    if (data instanceof Uint8Array) {
      const read = async (from: number, to: number): Promise<Uint8Array> => data.subarray(from, to);
      await writeFile(connection, temporary, data.length, read, run);
    } else {
      await using handle = await open(data.file, "r");
      const read = async (from: number, to: number): Promise<Uint8Array> => {
        const { buffer } = await handle.read({ buffer: Buffer.alloc(to - from), position: from });
        return buffer;
      };
      await writeFile(connection, temporary, (await handle.stat()).size, read, run);
    }
    way.isSent = true;
    await connection.ask(TYPE.rename, [temporary, file], run);
  } catch (error) {
    if (run.signal.aborted) await removeLater(connection, temporary);
    if (!(error instanceof SftpFailure)) throw error;
    // It takes the name only if nobody has it; why it did not, it does not say.
    const isTaken = (await statOf(connection, file, run)) !== undefined;
    const hasRoom = await roomIn(connection, root, run);
    await connection.ask(TYPE.remove, [temporary], run).catch(() => {});
    if (isTaken) throw new AppError("ALREADY_EXISTS", `${doing}: already exists`);
    if (!hasRoom) {
      throw new AppError("NO_SPACE", `${doing}: the disk there is full`, {
        hint: "Free some there: lastgood forget, then lastgood prune.",
        cause: error,
      });
    }
    throw error;
  }
}

/** Nobody would find it again: its name is no object's. */
async function removeLater(connection: Connection, file: string): Promise<void> {
  const quick: Run = { signal: AbortSignal.timeout(REMOVE_MS_MAX), report: () => {} };
  await connection.ask(TYPE.remove, [file], quick).catch(() => {});
}

const REMOVE_MS_MAX = 2000;

const ROOM = "statvfs@openssh.com";
const ROOM_BYTES_MIN = 1024 * 1024;

/** Whether there may be room: where a server cannot say it, there may. */
async function roomIn(connection: Connection, folder: string, run: Run): Promise<boolean> {
  if (!connection.extensions.has(ROOM)) return true;
  const answer = await connection.ask(TYPE.extended, [ROOM, folder], run).catch(notThere);
  if (answer === undefined) return true;
  const [, fragment = 0, , , available = 0, , , inodes = 0] = Array.from({ length: 8 }, () => {
    const high = answer.number();
    return high * 2 ** 32 + answer.number();
  });
  return available * fragment >= ROOM_BYTES_MIN && inodes > 0;
}

/** No repository has larger ones. */
const OBJECT_BYTES_MAX = 2 ** 31;

async function wholeOf(
  connection: Connection,
  file: string,
  doing: string,
  run: Run,
): Promise<{ offsetBytes: number; lengthBytes: number }> {
  const found = await statOf(connection, file, run);
  if (found === undefined) throw new AppError("NOT_FOUND", `${doing}: not found`);
  if (found.sizeBytes > OBJECT_BYTES_MAX) {
    throw new AppError("CORRUPT", `${doing}: it has ${found.sizeBytes} bytes`);
  }
  return { offsetBytes: 0, lengthBytes: found.sizeBytes };
}

type Server = AsyncDisposable & {
  /** Has work done over a connection, and again over another one when that is lost. */
  use<T>(doing: string, work: (connection: Connection) => Promise<T>, run: Run): Promise<T>;
};

function reconnecting(config: SftpConfig): Server {
  let connecting: Promise<Connection> | undefined;
  const connected = async (): Promise<Connection> => {
    for (;;) {
      const mine = (connecting ??= connect(sshCommand(config), config.label));
      try {
        const found = await mine;
        if (found.isOpen) return found;
        if (connecting === mine) connecting = undefined;
      } catch (error) {
        if (connecting === mine) connecting = undefined;
        throw error;
      }
    }
  };
  return {
    async use(doing, work, run) {
      for (let tries = 1; ; tries++) {
        run.signal.throwIfAborted();
        try {
          return await work(await unlessAborted(connected(), run.signal));
        } catch (error) {
          run.signal.throwIfAborted();
          if (!hasCode(error, "UNAVAILABLE") || tries === TRIES_MAX) throw translate(error, doing);
          await sleep(AGAIN_MS * 2 ** (tries - 1), undefined, { signal: run.signal });
        }
      }
    },
    async [Symbol.asyncDispose]() {
      const found = await connecting?.catch(() => undefined);
      await found?.[Symbol.asyncDispose]();
    },
  };
}

function translate(error: unknown, doing: string): unknown {
  if (!(error instanceof SftpFailure)) return error;
  switch (error.status) {
    case STATUS.noSuchFile:
      return new AppError("NOT_FOUND", `${doing}: not found`, { cause: error });
    case STATUS.denied:
      return new AppError("REFUSED", `${doing}: permission denied`, {
        hint: "Give the user there the right to write in the repository's folder.",
        cause: error,
      });
    default:
      return new AppError("SOURCE_FAILED", `${doing}: ${error.message}`, { cause: error });
  }
}

/** Nothing is asked, nothing is forwarded, and a server that is gone is noticed. */
function sshCommand({ host, user, port, identity, knownHosts }: SftpConfig): Command {
  const options = [
    "BatchMode=yes",
    "ConnectTimeout=20",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "RemoteCommand=none",
    "RequestTTY=no",
    ...(identity === undefined ? [] : [`IdentityFile=${quoted(identity)}`, "IdentitiesOnly=yes"]),
    ...(knownHosts === undefined
      ? []
      : [`UserKnownHostsFile=${quoted(knownHosts)}`, "StrictHostKeyChecking=yes"]),
  ];
  return [
    "ssh",
    ...options.flatMap((option) => ["-o", option]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    ...(user === undefined ? [] : ["-l", user]),
    host,
    "-s",
    "sftp",
  ];
}

/** A file as ssh_config(5) has it: it may have spaces, and % means something there. */
const quoted = (file: string): string => `"${file.replaceAll("%", "%%")}"`;

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { hash, randomBytes } from "node:crypto";
import { chmod, copyFile, mkdir, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { after, before, suite, test } from "node:test";
import { type Backend, key } from "../src/backends/backend.ts";
import { sftpBackend } from "../src/backends/sftp.ts";
import { parseSftp } from "../src/backends/sftp-place.ts";
import { AppError, hasCode } from "../src/base/errors.ts";
import { BACKEND_CONTRACT } from "../src/backends/contract.ts";
import { folderBackend } from "../src/backends/folder.ts";
import { memoryBackend } from "../src/backends/memory.ts";
import { s3Backend } from "../src/backends/s3.ts";
import { parseS3 } from "../src/backends/s3-place.ts";
import { farAway } from "./support/far.ts";
import { hasS3, KEYS, type S3, startS3 } from "./support/s3.ts";
import { hasSshd, type Sshd, startSshd } from "./support/sshd.ts";
import { skipWithout } from "./support/servers.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

const BACKENDS: Record<string, (folder: string) => Backend> = {
  memory: () => memoryBackend(),
  folder: (folder) => folderBackend(path.join(folder, "repository")),
};

for (const [kind, open] of Object.entries(BACKENDS)) {
  suite(`backend ${kind}`, () => {
    for (const { name, check } of BACKEND_CONTRACT) {
      test(name, async () => {
        await using temporary = await temporaryFolder();
        await using backend = open(temporary.path);
        await check(backend, quietRun());
      });
    }
  });
}

suite("backend s3", { skip: skipWithout(hasS3(), "Ceph (.ci/run fetches it)") }, () => {
  let server: S3;
  before(async () => {
    server = await startS3();
  });
  after(async () => await server[Symbol.asyncDispose]());

  const openIn = async (folder: string, host = server.host, more = {}): Promise<Backend> => {
    const place = parseS3(`s3://${host}/${await server.bucket()}/some/prefix`, undefined);
    const spoolFolder = path.join(folder, "spool");
    const region = "us-east-1";
    const now = (): Date => new Date();
    return await s3Backend({ ...place, ...KEYS, region, now, spoolFolder, ...more });
  };

  for (const { name, check } of BACKEND_CONTRACT) {
    test(name, async () => {
      await using temporary = await temporaryFolder();
      await using backend = await openIn(temporary.path);
      await check(backend, quietRun());
    });
  }

  test("a line may be slow, as long as something moves on it", async () => {
    await using temporary = await temporaryFolder();
    const port = Number(server.host.split(":")[1]);
    await using far = await farAway(port, { delayMs: 1, bytesPerMs: 10_000 });
    await using backend = await openIn(temporary.path, far.host, { silentMs: 2000 });
    const started = performance.now();
    await backend.put(key("large"), randomBytes(40_000_000), quietRun());
    assert(performance.now() - started > 3500);
    const [found] = await Array.fromAsync(backend.list("", quietRun()));
    assert.equal(found?.sizeBytes, 40_000_000);
  });

  test("what has changed since it was made is refused by the server", async () => {
    await using temporary = await temporaryFolder();
    await using backend = await openIn(temporary.path);
    const run = quietRun();
    const bytes = randomBytes(100_000);
    const name = key(`data/00/${hash("sha256", bytes)}`);
    const file = path.join(temporary.path, "spooled");
    await writeFile(file, bytes.with(500, bytes[500]! ^ 1));
    await assert.rejects(backend.put(name, { file }, run), (error) => hasCode(error, "CORRUPT"));
    assert.deepEqual(await Array.fromAsync(backend.list("data/", run)), []);
    await writeFile(file, bytes);
    await backend.put(name, { file }, run);
    assert(Buffer.from(await backend.get(name, "all", run)).equals(bytes));
  });
});

suite("backend sftp", { skip: skipWithout(hasSshd(), "openssh-server") }, () => {
  let server: Sshd;
  before(async () => {
    server = await startSshd();
  });
  after(async () => await server[Symbol.asyncDispose]());

  const openIn = async (folder: string, more: object = {}): Promise<Backend> => {
    const { identity, knownHosts } = server;
    const spoolFolder = path.join(folder, "spool");
    return sftpBackend({
      ...parseSftp(await server.place()),
      identity,
      knownHosts,
      spoolFolder,
      ...more,
    });
  };

  for (const { name, check } of BACKEND_CONTRACT) {
    test(name, async () => {
      await using temporary = await temporaryFolder();
      await using backend = await openIn(temporary.path);
      await check(backend, quietRun());
    });
  }

  test("large ones come back to the byte, whoever cuts the connection meanwhile", async () => {
    await using temporary = await temporaryFolder();
    await using backend = await openIn(temporary.path);
    const run = quietRun();
    const all = randomBytes(5_000_001);
    for (let round = 0; round < 4; round++) {
      const name = key(`data/00/round-${round}`);
      const writing = backend.put(name, all, run);
      await sleep(round * 15);
      await server.cut();
      await writing;
      const reading = backend.get(name, "all", run);
      await sleep(round * 10);
      await server.cut();
      assert(Buffer.from(await reading).equals(all), String(round));
    }
    const found = await Array.fromAsync(backend.list("data/", run));
    assert.deepEqual(
      found.map(({ sizeBytes }) => sizeBytes),
      Array(4).fill(all.length),
    );
  });

  test("many at once share a connection, which is gone afterwards; a name with spaces is a name", async () => {
    await using temporary = await temporaryFolder();
    const identity = path.join(temporary.path, "my key 100%");
    await copyFile(server.identity, identity);
    await chmod(identity, 0o600);
    {
      await using backend = await openIn(temporary.path, { identity });
      const names = ["a", "b", "c", "d", "e", "f"].map(key);
      await Promise.all(names.map((name) => backend.put(name, randomBytes(100), quietRun())));
      assert.equal(await server.connections(), 1);
      const over = new AbortController();
      const writing = backend.put(key("large"), randomBytes(30_000_000), quietRun(over.signal));
      setTimeout(() => over.abort(), 30);
      await assert.rejects(writing, { name: "AbortError" });
    }
    for (let tries = 0; (await server.connections()) > 0; tries++) {
      assert(tries < 50, "it is still there");
      await sleep(100);
    }
  });

  test("a disk there that is full is told, and nothing half written stays", async () => {
    await using temporary = await temporaryFolder();
    const small = path.join(temporary.path, "small");
    await mkdir(small);
    await promisify(execFile)("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", small]);
    try {
      await using backend = await openIn(temporary.path, { folder: small });
      const run = quietRun();
      const large = backend.put(key("large"), randomBytes(5_000_000), run);
      await assert.rejects(large, (error) => hasCode(error, "NO_SPACE"));
      await backend.put(key("small"), randomBytes(1_000_000), run);
      assert.deepEqual(await readdir(small), ["small"]);
    } finally {
      await promisify(execFile)("umount", [small]);
    }
  });

  test("a key that is not ours, a host that is another, nobody there: one line, with what to do", async () => {
    await using temporary = await temporaryFolder();
    const other = path.join(temporary.path, "other");
    await promisify(execFile)("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", other]);
    const name = key("a");
    const told = async (more: object): Promise<string> => {
      await using backend = await openIn(temporary.path, more);
      const error = await backend
        .get(name, "all", quietRun())
        .catch((failed: unknown) => failed as AppError);
      assert(error instanceof AppError);
      return `${error.code} ${error.message}`;
    };
    assert.match(await told({ identity: other }), /^WRONG_KEY reach sftp:.*Permission denied/);
    await writeFile(path.join(temporary.path, "known"), "");
    const knownHosts = path.join(temporary.path, "known");
    assert.match(
      await told({ knownHosts }),
      /^WRONG_KEY reach sftp:.*Host key verification failed/,
    );
    assert.match(await told({ port: 1 }), /^UNAVAILABLE reach sftp:.*refused/);
  });
});

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { parseSftp, resticSftp } from "../src/backends/sftp-place.ts";
import { PASSWORD, resticVersion } from "./support/restic.ts";
import { skipWithout } from "./support/servers.ts";
import { hasSshd, type Sshd, startSshd } from "./support/sshd.ts";
import { temporaryFolder } from "./support/temporary.ts";

// Goal: a repository on another machine, by a real OpenSSH: init, backup, check, restore by the real program;
// restic reads it there; a full disk there is told.

const skip = skipWithout(hasSshd(), "openssh-server") || skipWithout(resticVersion(), "restic");
const BIN = path.resolve(import.meta.dirname, "../bin/lastgood.js");

suite("a repository by sftp", { skip, timeout: 120_000 }, () => {
  let server: Sshd;
  before(async () => {
    server = await startSshd();
  });
  after(async () => await server[Symbol.asyncDispose]());

  async function configure(
    folder: string,
    at: string,
  ): Promise<(...args: string[]) => Promise<string>> {
    await mkdir(path.join(folder, "files"), { recursive: true });
    await writeFile(path.join(folder, "key"), PASSWORD);
    const { identity, knownHosts } = server;
    const config = {
      system: "test",
      repository: { at, password: { file: "key" }, sftp: { identity, "known-hosts": knownHosts } },
      components: { app: { stores: { files: { folder: "files" } } } },
    };
    await writeFile(path.join(folder, "lastgood.yaml"), stringify(config));
    return async (...args) => {
      const { stdout } = await promisify(execFile)(process.execPath, [BIN, ...args], {
        cwd: folder,
      });
      return stdout;
    };
  }

  test("init, backup, check, prune, restore; and restic", async () => {
    await using temporary = await temporaryFolder();
    const at = await server.place();
    const lastgood = await configure(temporary.path, at);
    const file = path.join(temporary.path, "files/a");
    await writeFile(file, Buffer.alloc(3_000_000, "then"));
    await lastgood("init");
    await lastgood("backup");
    await writeFile(file, "now");
    await lastgood("backup");
    await lastgood("check", "--read-data");
    const { points } = JSON.parse(
      (await lastgood("points", "--json")).trim().split("\n").at(-1) ?? "",
    ).value as { points: { stamp: string }[] };
    assert.equal(points.length, 2);
    await lastgood("restore", points[0]!.stamp, "--yes");
    assert.equal((await promisify(execFile)("head", ["-c", "4", file])).stdout, "then");
    await lastgood("forget", points[1]!.stamp, "--yes").catch(() =>
      lastgood("forget", points[1]!.stamp),
    );
    await lastgood("prune");
    const env = { ...process.env, RESTIC_PASSWORD: PASSWORD };
    const restic = [
      "-r",
      resticSftp(parseSftp(at)),
      "-o",
      `sftp.command=${server.command}`,
      "--no-cache",
    ];
    const { stdout } = await promisify(execFile)("restic", [...restic, "check", "--read-data"], {
      env,
    });
    assert.match(stdout, /no errors were found/);
  });
});

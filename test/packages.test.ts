import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import { createServer, type Server } from "node:http";
import path from "node:path";
import { suite, test } from "node:test";
import { gzipSync } from "node:zlib";
import { systemClock } from "../src/base/clock.ts";
import { fetchPackage } from "../src/operations/releases/fetch.ts";
import { packRelease } from "../src/operations/releases/pack.ts";
import { version } from "../src/slots/slot.ts";
import { compareVersions } from "../src/targets/compare-versions.ts";
import { folderTarget } from "../src/targets/folder/folder.ts";
import { readPackage } from "../src/targets/package/package.ts";
import type { Target } from "../src/targets/target.ts";
import { onDevice } from "./support/device.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";
import { type ZipFile, zipOf } from "./support/zip.ts";

// Goal: what comes from outside is unpacked as it is meant, or refused in one line, with nothing
// left behind and nothing put where it does not belong.

const run = quietRun();
const LIMITS = { bytesMax: 1_000_000, entriesMax: 50 };
const V1 = version("1.0.0");

function targetIn(folder: string, file: string): Target {
  const root = path.join(folder, "versions");
  const entries = (): AsyncIterable<never> => readPackage(file, "package", root, LIMITS) as never;
  return folderTarget({
    name: "app",
    root,
    keep: 3,
    clock: systemClock,
    source: async () => ({ entries: entries(), commands: [], mayLink: true }),
  });
}

async function unpack(data: Buffer): Promise<{ error: string; left: string[] }> {
  await using temporary = await temporaryFolder();
  const file = path.join(temporary.path, "package");
  fs.writeFileSync(file, data);
  let error = "";
  try {
    await targetIn(temporary.path, file).stage(V1, run);
  } catch (thrown) {
    error = String(thrown);
  }
  const root = path.join(temporary.path, "versions");
  assert(!fs.existsSync(path.join(temporary.path, "out")), "it escaped");
  return { error, left: fs.readdirSync(root).filter((name) => name.startsWith("v")) };
}

const good = (name: string, content = "x"): ZipFile => ({ name, content });

suite("packages", () => {
  const HOSTILE: readonly (readonly [string, readonly ZipFile[], RegExp])[] = [
    ["a way out", [good("../out")], /leads out of it|invalid relative path/i],
    ["an absolute path", [good("/out")], /absolute path/],
    ["backslashes", [good("..\\out")], /backslash|invalid characters/i],
    ["a link out", [{ name: "l", content: "../../out", mode: 0o120777 }], /the link l leads out/],
    [
      "a file below a link",
      [{ name: "l", content: ".", mode: 0o120777 }, good("l/out")],
      /below a link/,
    ],
    ["setuid", [{ name: "s", content: "x", mode: 0o104755 }], /setuid/],
    ["a device", [{ name: "d", content: "", mode: 0o020644 }], /device/],
    ["twice the same", [good("a"), good("a")], /twice/],
    ["a wrong CRC", [{ name: "a", content: "x", crc: 1 }], /CRC/],
    ["control characters", [good("a\nb")], /control characters/],
    ["too much", [good("a", "x".repeat(1_000_001))], /more than 1000000 bytes/],
    ["too many", Array.from({ length: 51 }, (_, i) => good(`f${i}`)), /more than 50 entries/],
    ["nothing", [], /empty/],
  ];
  for (const [what, files, message] of HOSTILE) {
    test(`a zip with ${what} is refused`, async () => {
      const { error, left } = await unpack(zipOf(files));
      assert.match(error, message);
      assert.deepEqual(left, []);
    });
  }

  const MANIFESTS: readonly (readonly [string, unknown, RegExp])[] = [
    [
      "a file that is missing",
      { modules: [{ name: "a", src: "lost", dst: "/o/a" }] },
      /lost, which is not/,
    ],
    ["a way out", { modules: [{ name: "a", src: "../x", dst: "/o/a" }] }, /no way out/],
    [
      "a dst that leads out",
      { modules: [{ name: "a", src: "x", dst: "/o/../etc/a" }] },
      /plain path/,
    ],
    [
      "two of one name",
      { modules: [1, 2].map((n) => ({ name: "a", src: `${n}`, dst: `/o/${n}` })) },
      /twice/,
    ],
    [
      "only what changed",
      { type: "incremental", modules: [{ name: "a", src: "x", dst: "/o/a" }] },
      /incremental/,
    ],
  ];
  for (const [what, manifest, message] of MANIFESTS) {
    test(`a package of modules with ${what} is refused`, async () => {
      const content = JSON.stringify({ version: "1.0.0", ...(manifest as object) });
      const { error, left } = await unpack(zipOf([{ name: "manifest.json", content }, good("x")]));
      assert.match(error, message);
      assert.deepEqual(left, []);
    });
  }

  test("a zip that was cut is refused", async () => {
    const whole = zipOf([good("a", "content ".repeat(100)), good("b")]);
    for (const length of [10, whole.length / 2, whole.length - 5]) {
      const { error, left } = await unpack(whole.subarray(0, length));
      assert.match(error, /INVALID_PACKAGE|read package/);
      assert.deepEqual(left, []);
    }
  });

  test("a tar with hard links, devices or ways out is refused, and one that was cut", async () => {
    await using temporary = await temporaryFolder();
    const folder = path.join(temporary.path, "in");
    fs.mkdirSync(folder);
    fs.writeFileSync(path.join(folder, "a"), "content ".repeat(500));
    const tar = (...args: string[]): Buffer =>
      execFileSync("tar", ["-C", folder, "-cf", "-", ...args], {
        stdio: ["ignore", "pipe", "ignore"],
      });
    const whole = tar(".");
    assert.deepEqual((await unpack(gzipSync(whole))).left, ["v1.0.0"]);
    assert.match((await unpack(gzipSync(whole).subarray(0, 60))).error, /read package/);
    assert.match((await unpack(tar("--transform=s,a,../out,", "a"))).error, /leads out/);
    fs.linkSync(path.join(folder, "a"), path.join(folder, "b"));
    assert.match((await unpack(tar("."))).error, /is a link/);
    execFileSync("mkfifo", [path.join(folder, "pipe")]);
    assert.match((await unpack(tar("pipe"))).error, /is a fifo/);
  });

  test("what is shared with the release before is written only once", async () => {
    await using temporary = await temporaryFolder();
    const from = path.join(temporary.path, "package");
    fs.mkdirSync(from);
    for (let i = 0; i < 40; i++) fs.writeFileSync(path.join(from, `f${i}`), `file ${i}`);
    const target = targetIn(temporary.path, from);
    const next = version("1.1.0");
    await target.stage(V1, run);
    await target.activate(V1, V1, run);
    fs.writeFileSync(path.join(from, "f7"), "other");
    await target.stage(next, run);
    const inode = (release: string, name: string): number =>
      fs.statSync(path.join(target.root, release, name)).ino;
    const shared = fs
      .readdirSync(from)
      .filter((name) => inode("v1.0.0", name) === inode("v1.1.0", name));
    // Only root's files are shared: nobody else can write through one into the other.
    assert.equal(shared.length, process.getuid?.() === 0 ? 39 : 0);
    assert.deepEqual(await target.problemsOf(V1, "every-byte", run), []);
    assert.deepEqual(await target.problemsOf(next, "every-byte", run), []);
    fs.appendFileSync(path.join(target.root, "v1.1.0", "f8"), "!");
    assert.match((await target.problemsOf(V1, "what-changed", run)).join(), /f8/);
  });

  test("the manifest is one for sha256sum -c", async () => {
    await using temporary = await temporaryFolder();
    const file = path.join(temporary.path, "package");
    fs.writeFileSync(file, zipOf([good("with space"), good("bin/ä"), good("-rf")]));
    const { root } = targetIn(temporary.path, file);
    await targetIn(temporary.path, file).stage(V1, run);
    const manifest = path.join(root, ".lastgood/1.0.0.sha256");
    const cwd = path.join(root, "v1.0.0");
    const said = execFileSync("sha256sum", ["-c", "--strict", manifest], { cwd, encoding: "utf8" });
    assert.equal(said.match(/: OK/g)?.length, 3);
  });

  test("trap-09: versions are ordered as versions", () => {
    const sorted = ["1.10.0", "1.2.0", "1.2.0-rc.1", "1.2.0-rc.10", "1.2.0-rc.2", "1.2", "2024.1"];
    const expected = [
      "1.2",
      "1.2.0-rc.1",
      "1.2.0-rc.2",
      "1.2.0-rc.10",
      "1.2.0",
      "1.10.0",
      "2024.1",
    ];
    assert.deepEqual(sorted.toSorted(compareVersions), expected);
  });

  test("pack refuses a migration that does not say what it does", async () => {
    await using temporary = await temporaryFolder();
    const folder = path.join(temporary.path, "build");
    fs.mkdirSync(path.join(folder, "migrations", "1_init"), { recursive: true });
    const options = {
      out: path.join(temporary.path, "p.tar.zst"),
      migrations: { main: "migrations" },
    };
    await assert.rejects(packRelease(folder, options, run), /1_init does not say what it does/);
    const release = { migrations: { main: { "1_init": "additive" } }, reads: { main: ["1_init"] } };
    fs.writeFileSync(path.join(folder, "release.json"), JSON.stringify(release));
    const { file, sha256 } = await packRelease(folder, options, run);
    assert.equal(createHash("sha256").update(fs.readFileSync(file)).digest("hex"), sha256);
    await targetIn(temporary.path, file).stage(V1, run);
    await assert.rejects(packRelease(folder, options, run), /it is there already/);
  });
});

/** Answers with a package, in the given way. */
async function served(
  answer: (request: { range: string | undefined; count: number }) => {
    status: number;
    headers?: Record<string, string>;
    body: Buffer;
    cut?: boolean;
  },
): Promise<{ url: string; server: Server; requests: (string | undefined)[] }> {
  const requests: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    requests.push(request.headers.range);
    const { status, headers, body, cut } = answer({
      range: request.headers.range,
      count: requests.length,
    });
    response.writeHead(status, headers);
    response.write(body, () => (cut === true ? response.destroy() : response.end()));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}/p.zip`, server, requests };
}

suite("fetch", () => {
  const data = zipOf([good("a", "content ".repeat(50_000))]);
  const md5 = createHash("md5").update(data).digest("hex");

  onDevice("a fetch that is cut goes on where it ended", async (system) => {
    const { url, server, requests } = await served(({ range }) => {
      const from = Number(/bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0);
      const end = Math.min(data.length, from + 150_000);
      const isRest = range !== undefined;
      return {
        status: isRest ? 206 : 200,
        headers: {
          "content-length": String(data.length - from),
          ...(isRest ? { "content-range": `bytes ${from}-${data.length - 1}/${data.length}` } : {}),
        },
        body: data.subarray(from, end),
        cut: end < data.length,
      };
    });
    const source = { from: url, md5, bytes: data.length };
    const info = await fetchPackage(system, "app", V1, source, run);
    server.close();
    assert.equal(info.bytes, data.length);
    assert(
      requests.length >= 3 && requests.slice(1).every((range) => range !== undefined),
      requests.join(),
    );
  });

  const WRONG: readonly (readonly [string, Parameters<typeof served>[0], RegExp])[] = [
    ["other content", () => ({ status: 200, body: Buffer.alloc(data.length, 1) }), /MD5 is/],
    ["more than it said", () => ({ status: 200, body: Buffer.concat([data, data]) }), /more than/],
    ["not found", () => ({ status: 404, body: Buffer.from("no") }), /answers 404/],
    [
      "a redirect elsewhere",
      () => ({ status: 302, headers: { location: "http://127.0.0.1:1/" }, body: Buffer.from("") }),
      /redirect/,
    ],
  ];
  for (const [what, answer, message] of WRONG) {
    onDevice(`${what} is refused, and nothing is kept`, async (system) => {
      const { url, server } = await served(answer);
      const source = { from: url, md5, bytes: data.length };
      await assert.rejects(fetchPackage(system, "app", V1, source, run), message);
      server.close();
      server.closeAllConnections();
    });
  }
});

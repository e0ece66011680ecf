import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { suite, test } from "node:test";
import { newRepository } from "./support/repository.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: what comes in pieces is stored as a file of the same bytes is, however it is cut on its way.

const run = quietRun();
const METADATA = { mode: 0o100600, uid: 0, gid: 0, mtimeNs: 0n };

async function* piecesOf(bytes: Buffer, size: () => number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    const length = Math.max(1, size());
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

suite("streams", () => {
  const text = Buffer.from("INSERT INTO t VALUES (1,'some text');\n".repeat(400_000));
  const cases: Record<string, [Buffer, () => number]> = {
    nothing: [Buffer.alloc(0), () => 1],
    "one byte": [Buffer.from("x"), () => 1],
    "random bytes in small pieces": [randomBytes(20_000_000), () => 65_536],
    "random bytes in one piece": [randomBytes(30_000_000), () => 30_000_000],
    "random bytes in pieces of any length": [
      randomBytes(40_000_001),
      () => Math.trunc(2 ** (Math.random() * 22)),
    ],
    "text without a cut, in odd pieces": [text, () => 1 + Math.trunc(Math.random() * 300_000)],
    "as long as the shortest chunk": [randomBytes(512 * 1024), () => 1000],
    "one byte longer than the shortest chunk": [randomBytes(512 * 1024 + 1), () => 777],
    "some bytes behind what is cut at once": [randomBytes(3 * 1024 * 1024 + 5), () => 65_536],
    "as long as the longest chunk": [Buffer.alloc(8 * 1024 * 1024), () => 100_000],
  };
  for (const [name, [bytes, size]] of Object.entries(cases)) {
    test(name, async () => {
      await using temporary = await temporaryFolder();
      const repository = await newRepository(path.join(temporary.path, "repo"), run);
      const file = path.join(temporary.path, "file");
      await writeFile(file, bytes);
      const snapshot = await repository.write(undefined, run, async (writer) => {
        const streamed = await writer.stream("dump", piecesOf(bytes, size), METADATA);
        const whole = await writer.file("file", file, { chunking: "content" });
        assert.equal(streamed.sizeBytes, bytes.length);
        assert.deepEqual(streamed.content, whole.content);
        const facts = { time: new Date(), paths: [file], hostname: "h", username: "u", tags: [] };
        return (await writer.commit(facts)).snapshot;
      });
      await repository.read(snapshot, run, async (reader) => {
        const hash = createHash("sha256");
        for await (const part of reader.stream("dump")) hash.update(part);
        assert.equal(hash.digest("hex"), createHash("sha256").update(bytes).digest("hex"));
      });
      assert.deepEqual((await repository.check({ readData: "all" }, run)).errors, []);
    });
  }

  test("many one after the other use the memory and the thread of the first", async () => {
    await using temporary = await temporaryFolder();
    const repository = await newRepository(path.join(temporary.path, "repo"), run);
    const made = { memory: 0, threads: 0 };
    const { SharedArrayBuffer: Real } = globalThis;
    globalThis.SharedArrayBuffer = class extends Real {
      constructor(...args: ConstructorParameters<typeof Real>) {
        super(...args);
        made.memory++;
      }
    } as SharedArrayBufferConstructor;
    const count = (): void => void made.threads++;
    process.on("worker", count);
    try {
      await repository.write(undefined, run, async (writer) => {
        for (let n = 0; n < 30; n++) {
          const bytes = randomBytes(n % 2 === 0 ? 400_000 : 3_000_000);
          await writer.stream(
            `dump ${n}`,
            piecesOf(bytes, () => 65_536),
            METADATA,
          );
        }
        await writer.commit({
          time: new Date(),
          paths: ["/"],
          hostname: "h",
          username: "u",
          tags: [],
        });
      });
    } finally {
      globalThis.SharedArrayBuffer = Real;
      process.off("worker", count);
    }
    assert(made.memory < 15, `${made.memory} pieces of memory`);
    assert(made.threads < 8, `${made.threads} threads`);
    assert.deepEqual((await repository.check({ readData: "all" }, run)).errors, []);
  });
});

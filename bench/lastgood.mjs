// The repository as a program of its own, without stores: what restic and borg are compared with.
// As it is published: `npm run bench` compiles the library first, and this file needs no compiling, for
// which Node takes some twenty megabytes.
import os from "node:os";
import path from "node:path";

const built = new URL("../dist/repository/repository.js", import.meta.url);
const { createRepository, folderBackend, openRepository } = await import(built.href);

/** A folder, or s3://host/bucket/prefix with the keys of the environment. */
async function open(at) {
  if (!at.startsWith("s3://")) return folderBackend(at);
  const of = (file) => import(new URL(`../dist/backends/${file}.js`, import.meta.url).href);
  const [{ s3Backend }, { parseS3 }] = [await of("s3"), await of("s3-place")];
  return await s3Backend({
    ...parseS3(at, undefined),
    accessKey: process.env.AWS_ACCESS_KEY_ID,
    secretKey: process.env.AWS_SECRET_ACCESS_KEY,
    region: "us-east-1",
    now: () => new Date(),
    spoolFolder: path.join(os.tmpdir(), `lastgood-bench-${process.pid}`),
  });
}

const [verb, at = "", source = "", chunking] = process.argv.slice(2);
const run = { signal: new AbortController().signal, report: () => {} };
const backend = await open(at);

if (verb === "init") {
  await createRepository(backend, "bench", {}, run);
} else {
  const repository = await openRepository(backend, "bench", { isForWork: true }, run);
  const last = (await repository.snapshots(run)).at(-1);
  switch (verb) {
    case "backup":
      await repository.write(last, run, async (writer) => {
        const name = path.basename(source);
        await writer.tree(name, source, {
          chunking: () => (chunking === "pages" ? "pages" : "content"),
        });
        await writer.commit({ time: new Date(), paths: [source], hostname: "bench" });
      });
      break;
    case "restore":
      await repository.read(last, run, async (reader) => {
        const [root] = await reader.list("");
        await reader.tree(root.name, source);
      });
      break;
    default: {
      const { errors } = await repository.check({ readData: "all" }, run);
      if (errors.length > 0) throw new Error(errors.join("\n"));
    }
  }
}
await backend[Symbol.asyncDispose]?.();

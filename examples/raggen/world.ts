import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import {
  type Engine,
  makeImage,
  type Registry,
  RUNTIME,
  startEngine,
  startRegistry,
} from "../../test/support/engine.ts";
import { freePort } from "../../test/support/releases.ts";

const HERE = import.meta.dirname;
const ROOT = path.resolve(HERE, "../..");

export type Behaviour = "good" | "exits" | "answers-500";

/** A machine with RAGGEN on it, below a folder of its own, with a real engine and registry. */
export type World = AsyncDisposable & {
  readonly root: string;
  readonly engine: Engine;
  readonly registry: Registry;
  readonly ports: { readonly web: number; readonly embed: number };
  /** Makes the image of a version, and has the registry have it. */
  publish(service: "web" | "embed", version: string, behaviour?: Behaviour): Promise<void>;
  lastgood(...args: string[]): Promise<{ code: number; out: string }>;
  env(): Promise<string>;
};

const MIGRATIONS = { "20250601000000_documents": "breaking" } as const;

/** `configuration` is one of those in this folder. */
export async function newWorld(configuration: string): Promise<World> {
  const root = await mkdtemp("/var/tmp/lg-raggen-");
  const [engine, registry] = await Promise.all([startEngine(), startRegistry()]);
  const ports = { web: await freePort(), embed: await freePort() };
  for (const folder of ["raggen-web", "raggen-embed", "data/sqlite/prisma", "data/faiss"]) {
    await mkdir(path.join(root, folder), { recursive: true });
  }
  for (const name of ["docker-compose.web.yml", "docker-compose.embed.yml"]) {
    await cp(path.join(HERE, name), path.join(root, name));
  }
  const env = [
    "# RAGGEN",
    `REGISTRY=${registry.at}`,
    "WEB_VERSION=1.0.0",
    "EMBED_VERSION=1.0.0 # each on its own",
    'CORS_ORIGINS=["http://web.your-domain.com"]',
    `RUNTIME=${RUNTIME}`,
    "",
  ];
  await writeFile(path.join(root, ".env"), env.join("\n"), { mode: 0o640 });
  const embedUrl = `http://127.0.0.1:${ports.embed}`;
  await writeFile(path.join(root, "raggen-web/.env"), `PORT=${ports.web}\nEMBED_URL=${embedUrl}\n`);
  const embedEnv = `PORT=${ports.embed}\nMODEL_NAME=all-MiniLM-L6-v2\nVECTOR_DIM=384\n`;
  await writeFile(path.join(root, "raggen-embed/.env"), embedEnv);
  const yaml = (await readFile(path.join(HERE, configuration), "utf8"))
    .replaceAll("/opt/raggen/", `${root}/`)
    .replaceAll("cr.example", registry.at)
    .replaceAll("127.0.0.1:3000", `127.0.0.1:${ports.web}`)
    .replaceAll("127.0.0.1:8001", `127.0.0.1:${ports.embed}`)
    .replaceAll("/usr/local/bin/node-folder", RUNTIME)
    .replaceAll("healthy-for: 2s, deadline: 30s", "healthy-for: 1s, deadline: 8s")
    .replace("/var/lib/lastgood", `${root}/state`)
    .replace("/srv/backups/raggen", `${root}/repository`)
    .replace("/etc/lastgood/repository.key", `${root}/repository.key`);
  await writeFile(path.join(root, "repository.key"), "a password for tests\n", { mode: 0o600 });
  const text = `docker-host: ${engine.host}\n${yaml}`;
  await writeFile(path.join(root, "lastgood.yaml"), text);

  const lastgood = (...args: string[]): Promise<{ code: number; out: string }> =>
    new Promise((resolve) => {
      const command = [
        path.join(ROOT, "src/main.ts"),
        "-c",
        path.join(root, "lastgood.yaml"),
        ...args,
      ];
      const options = { cwd: root, maxBuffer: 16 * 1024 * 1024 };
      const child = execFile(process.execPath, command, options, (error, stdout, stderr) => {
        const code = error === null ? 0 : Number(error.code ?? -1);
        resolve({ code, out: `${stdout}${stderr}` });
      });
      child.stdin?.end();
    });

  return {
    root,
    engine,
    registry,
    ports,
    lastgood,
    env: () => readFile(path.join(root, ".env"), "utf8"),
    async publish(service, version, behaviour = "good") {
      const files = await mkdtemp("/var/tmp/lg-app-");
      try {
        await cp(path.join(HERE, service), files, { recursive: true });
        await writeFile(path.join(files, "release.json"), JSON.stringify({ version, behaviour }));
        const reference = `${registry.at}/raggen-${service}:${version}`;
        const program =
          service === "web"
            ? ["/runtime/node", "/app/app.mjs"]
            : ["/usr/bin/python3", "/app/embed.py"];
        const changes = [`CMD ${JSON.stringify(program)}`];
        if (service === "web" && version.startsWith("2.")) {
          const said = JSON.stringify({ migrations: { db: MIGRATIONS } });
          changes.push(`LABEL lastgood.release=${JSON.stringify(said)}`);
        }
        await makeImage(engine, reference, files, changes);
        await engine.docker("push", "--quiet", reference);
        // As on a machine that has never seen it.
        await engine.docker("rmi", reference);
      } finally {
        await rm(files, { recursive: true, force: true });
      }
    },
    async [Symbol.asyncDispose]() {
      await using _registry = registry;
      await engine[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}

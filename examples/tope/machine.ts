import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { boot, type Machine, type Ran } from "../../test/support/machine.ts";
import { zipOf } from "../../test/support/zip.ts";

// A device as TOP.E's are: Debian with systemd, the two services, and lastgood.

const here = import.meta.dirname;
const project = path.resolve(here, "../..");
const lastgoodBin = path.join(project, "bin/lastgood.js");

export type Behaviour = "good" | "exit" | "hang" | "die" | "500" | "not-executable";

export type Device = Machine & {
  readonly root: string;
  readonly lastgood: (...args: string[]) => Promise<Ran>;
  /** A shell line in the device, as the procedure has them. */
  readonly shell: (line: string) => Promise<Ran>;
  /** Puts a package for a version on the device; its path there. */
  readonly package: (version: string, behaviour?: Behaviour) => string;
  /** What device-api received, oldest first. */
  readonly reports: () => { stage: string; error: string | null; version: string }[];
  readonly boot: () => Promise<Device>;
};

/** Lays a device out in a folder, with the factory version as the old updater left it, and boots. */
export async function newDevice(from: string, root: string): Promise<Device> {
  execFileSync("cp", ["-a", from, root]);
  const put = (file: string, content: string | Buffer, mode = 0o644): void => {
    fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    fs.writeFileSync(path.join(root, file), content);
    fs.chmodSync(path.join(root, file), mode);
  };
  fs.appendFileSync(path.join(root, "etc/passwd"), "tope:x:1500:1500::/opt/tope:/bin/sh\n");
  fs.appendFileSync(path.join(root, "etc/group"), "tope:x:1500:\n");
  put("etc/hosts", "127.0.0.1 localhost\n");
  for (const unit of ["device-api.service", "web-server.service"]) {
    put(`etc/systemd/system/${unit}`, fs.readFileSync(path.join(here, "units", unit)));
  }
  const config = fs.readFileSync(path.join(here, "lastgood.yaml"), "utf8");
  // The story is told in seconds.
  const quick = config.replace(/healthy-for: 5s, deadline: 30s/, "healthy-for: 4s, deadline: 8s");
  put("etc/lastgood/lastgood.yaml", quick);
  put("etc/lastgood/repository.key", "a password for the story", 0o600);
  fs.symlinkSync(process.execPath, path.join(root, "usr/local/bin/node"));
  fs.symlinkSync(
    "/opt/tope/versions/current/bin/device-api",
    path.join(root, "usr/local/bin/device-api"),
  );
  for (const folder of ["opt/tope/services/device-api", "opt/tope/data"]) {
    fs.mkdirSync(path.join(root, folder), { recursive: true });
    fs.chownSync(path.join(root, folder), 1500, 1500);
  }
  const data = path.join(root, "opt/tope/data/app.db");
  {
    using database = new DatabaseSync(data);
    database.exec("PRAGMA user_version = 1; CREATE TABLE jobs (id INTEGER PRIMARY KEY, what TEXT)");
  }
  fs.chownSync(data, 1500, 1500);
  for (const [name, text, mode] of filesOf("1.0.0", "good")) {
    put(`opt/tope/versions/v1.0.0/${name}`, text, mode);
  }
  const versions = path.join(root, "opt/tope/versions");
  for (const link of ["current", "factory"]) fs.symlinkSync("v1.0.0", path.join(versions, link));
  return await bootDevice(root);
}

async function bootDevice(root: string): Promise<Device> {
  const machine = await boot(root, [project]);
  const lastgood = (...args: string[]): Promise<Ran> =>
    machine.run([process.execPath, lastgoodBin, "-c", "/etc/lastgood/lastgood.yaml", ...args]);
  return {
    ...machine,
    root,
    lastgood,
    shell: (line) => machine.run(["sh", "-c", line]),
    package(version, behaviour = "good") {
      const file = `/root/device-${version}.zip`;
      fs.writeFileSync(path.join(root, file), packageOf(version, behaviour));
      return file;
    },
    reports() {
      const file = path.join(root, "opt/tope/data/reports");
      if (!fs.existsSync(file)) return [];
      const lines = fs.readFileSync(file, "utf8").trim().split("\n");
      return lines.map((line) => JSON.parse(line) as ReturnType<Device["reports"]>[number]);
    },
    boot: () => bootDevice(root),
  };
}

type File = readonly [name: string, content: Buffer, mode: number];

function filesOf(version: string, behaviour: Behaviour): File[] {
  const service = (name: string): Buffer => fs.readFileSync(path.join(here, "services", name));
  return [
    ["bin/device-api", service("device-api.mjs"), behaviour === "not-executable" ? 0o644 : 0o755],
    ["bin/web-server", service("web-server.mjs"), 0o755],
    ["VERSION", Buffer.from(`${version}\n`), 0o644],
    ["behaviour", Buffer.from(`${behaviour}\n`), 0o644],
  ];
}

/** A package as the fleet's server has them: manifest.json and a file a module. */
export function packageOf(version: string, behaviour: Behaviour): Buffer {
  const files = filesOf(version, behaviour).filter(([name]) => name !== "VERSION");
  const modules = files.map(([name]) => ({
    name: path.basename(name),
    src: `modules/${name}`,
    dst: `/opt/tope/${name}`,
    ...(name === "bin/web-server" ? { process_name: "web-server.service", restart_order: 2 } : {}),
    ...(name === "bin/device-api" && behaviour !== "not-executable"
      ? { process_name: "device-api.service", restart_order: 1 }
      : {}),
  }));
  return zipOf([
    { name: "manifest.json", content: JSON.stringify({ version, modules }) },
    ...files.map(([name, content, mode]) => ({
      name: `modules/${name}`,
      content,
      mode: 0o100000 | mode,
    })),
  ]);
}

export function md5Of(data: Buffer): string {
  return createHash("md5").update(data).digest("hex");
}

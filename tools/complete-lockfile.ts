// Adds to package-lock.json the packages of other platforms that a registry with a part of them only
// left out: `npm ci` refuses a lock in which an optional dependency is missing, even one that it
// would not install. Run it after `npm install` when `npm ci` says so.
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";

type Package = {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  optionalDependencies?: Record<string, string>;
  os?: string[];
  cpu?: string[];
  libc?: string[];
};
type Lock = { packages: Record<string, Package> };

const SYSTEMS = [
  "android",
  "darwin",
  "freebsd",
  "linux",
  "openharmony",
  "win32",
  "openbsd",
  "netbsd",
  "sunos",
  "aix",
];
const PROCESSORS = [
  "arm64",
  "armv7",
  "arm",
  "x64",
  "ia32",
  "ppc64",
  "riscv64",
  "s390x",
  "wasm32",
  "loong64",
  "mips64el",
];

const file = path.resolve(import.meta.dirname, "../package-lock.json");
const lock = JSON.parse(await readFile(file, "utf8")) as Lock;
for (const [of, { optionalDependencies = {}, dev = false }] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const key = `node_modules/${name}`;
    if (of !== "" && lock.packages[key] === undefined) {
      lock.packages[key] = {
        version,
        ...(dev ? { dev } : {}),
        optional: true,
        ...platformOf(name),
      };
    }
  }
}
const sorted = Object.entries(lock.packages).toSorted(([a], [b]) => (a < b ? -1 : 1));
await writeFile(
  file,
  `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, undefined, 2)}\n`,
);

/** Which machine a package is for, as its name says. */
function platformOf(name: string): Pick<Package, "os" | "cpu" | "libc"> {
  const parts = name.replace(/^@[^/]+\//, "").split(/[-_]/);
  const os = SYSTEMS.find((system) => parts.includes(system));
  const cpu = PROCESSORS.find((processor) => parts.includes(processor));
  const libc = parts.some((part) => part.startsWith("musl")) ? "musl" : "glibc";
  return {
    ...(os === undefined ? {} : { os: [os] }),
    ...(cpu === undefined ? {} : { cpu: [cpu === "armv7" ? "arm" : cpu] }),
    ...(os === "linux" ? { libc: [libc] } : {}),
  };
}

import { chmodSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { newSystem } from "./system.ts";
import type { System } from "../../src/operations/system.ts";

const SERVICE = path.resolve(import.meta.dirname, "../../examples/tope/services/device-api.mjs");

/** What is wrong with a release of the stand-in service. */
export type Behaviour = "good" | "exit" | "hang" | "die" | "500" | "slow" | "not-executable";

/** Writes a release of the stand-in service into a folder, as a package would have it. */
export function makeRelease(
  folder: string,
  version: string,
  behaviour: Behaviour = "good",
  files: Readonly<Record<string, string>> = {},
): string {
  const release = path.join(folder, `package-${version}`);
  mkdirSync(path.join(release, "bin"), { recursive: true });
  cpSync(SERVICE, path.join(release, "bin", "device-api"));
  chmodSync(
    path.join(release, "bin", "device-api"),
    behaviour === "not-executable" ? 0o644 : 0o755,
  );
  const all = { VERSION: `${version}\n`, behaviour: `${behaviour}\n`, ...files };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(path.dirname(path.join(release, name)), { recursive: true });
    writeFileSync(path.join(release, name), text);
  }
  return release;
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export type DeviceOptions = {
  readonly component?: object;
  readonly verify?: object;
  readonly hold?: boolean;
  readonly port?: number;
  /** Of the configuration, beside the component. */
  readonly rest?: object;
  /** Puts what the stores are to find. */
  readonly before?: (folder: string) => void;
};

/** A system of one device whose service lastgood starts itself. */
export async function newDevice(
  folder: string,
  port: number,
  extra: DeviceOptions = {},
): Promise<System> {
  const url = `http://127.0.0.1:${port}`;
  const component = {
    target: { folder: "versions", "hold-after-rollback": extra.hold ?? false },
    run: {
      process: [path.join(folder, "versions/current/bin/device-api")],
      env: {
        DEVICE_API_PORT: String(port),
        DEVICE_API_REPORTS: path.join(folder, "reports"),
        DEVICE_API_DATABASE: path.join(folder, "app.db"),
        PATH: `${path.dirname(process.execPath)}:${process.env["PATH"]}`,
      },
      "stop-timeout": "2s",
    },
    checks: {
      api: { http: `${url}/health`, timeout: "500ms" },
      version: { version: { http: `${url}/api/version`, field: "version" }, timeout: "500ms" },
    },
    verify: { "healthy-for": "200ms", deadline: "5s", ...extra.verify },
    ...extra.component,
  };
  extra.before?.(folder);
  return await newSystem(folder, component, extra.rest);
}

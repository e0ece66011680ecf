import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { addToken, type Scope } from "../../src/operations/tokens.ts";
import type { System } from "../../src/operations/system.ts";

const BIN = path.resolve(import.meta.dirname, "../../bin/lastgood.js");
const STARTS_MS_MAX = 20_000;

/** `lastgood serve` as a process of its own, until it is disposed. */
export type Serving = AsyncDisposable & {
  readonly url: string;
  readonly pid: number;
  readonly printed: () => string;
  /** Asks with a token of a scope; with a body it is a POST. */
  readonly ask: (path: string, options?: AskOptions) => Promise<Answer>;
  readonly token: (scope: Scope) => string;
  readonly kill: (signal: NodeJS.Signals) => Promise<void>;
};

export type AskOptions = {
  readonly scope?: Scope | "none";
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
};

export type Answer = {
  readonly status: number;
  readonly type: string;
  readonly value: Record<string, unknown>;
};

/** Starts the service of a system whose configuration says `serve: { listen: "127.0.0.1:0" }`. */
export async function startServing(folder: string, system: System): Promise<Serving> {
  const tokens = new Map<Scope, string>();
  for (const scope of ["read", "backup", "operate", "admin"] as const) {
    const name = `test-${scope}`;
    const known = path.join(system.paths.state, `${name}.token`);
    if (existsSync(known)) tokens.set(scope, readFileSync(known, "utf8"));
    else tokens.set(scope, (await addToken(system, name, scope, undefined)).token);
  }
  const child = spawn(process.execPath, [BIN, "serve"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => void (printed += text));
  }
  const deadline = performance.now() + STARTS_MS_MAX;
  let url: string | undefined;
  while ((url = /The console and the API: (http:\/\/\S+?)\/?$/m.exec(printed)?.[1]) === undefined) {
    if (child.exitCode !== null || performance.now() > deadline) throw new Error(printed);
    await sleep(20);
  }
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  };
  const base = url;
  return {
    url: base,
    pid: child.pid!,
    printed: () => printed,
    token: (scope) => tokens.get(scope)!,
    kill,
    async ask(at, { scope = "admin", method, body, headers = {} } = {}) {
      const authorization =
        scope === "none" ? {} : { authorization: `Bearer ${tokens.get(scope)}` };
      const send = async (): Promise<Response> =>
        await fetch(base + at, {
          method: method ?? (body === undefined ? "GET" : "POST"),
          headers: {
            ...authorization,
            ...(body === undefined ? {} : { "content-type": "application/json" }),
            ...headers,
          },
          ...(body === undefined
            ? {}
            : { body: typeof body === "string" ? body : JSON.stringify(body) }),
        });
      // A connection whose last request was not read to its end is closed under the next one.
      const response = await send().catch(send);
      const text = await response.text();
      const type = response.headers.get("content-type") ?? "";
      const value = /json/.test(type) ? (JSON.parse(text) as Record<string, unknown>) : { text };
      return { status: response.status, type, value };
    },
    [Symbol.asyncDispose]: async () => await kill("SIGTERM"),
  };
}

/** Waits until a run has ended, and says how. */
export async function ended(
  { ask }: Serving,
  id: unknown,
): Promise<{ exit: number; value: Record<string, unknown>; error?: { code: string } }> {
  for (;;) {
    const { value } = await ask(`/api/v1/runs/${String(id)}`);
    if (value["end"] !== undefined) return value["end"] as never;
    await sleep(50);
  }
}

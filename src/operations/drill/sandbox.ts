import { exec, type ExecResult } from "../../base/exec.ts";
import type { Run } from "../../base/events.ts";
import { HIDDEN, type Mount } from "./world.ts";

// bubblewrap(1): a network, processes and mounts of one's own, all gone with its first process. What it
// does not mount cannot be written to.

const FORBIDDEN = [
  "SYS_ADMIN",
  "SYS_PTRACE",
  "SYS_MODULE",
  "SYS_RAWIO",
  "SYS_BOOT",
  "SYS_TIME",
  "NET_ADMIN",
  "MKNOD",
  "DAC_READ_SEARCH",
] as const;

const ISOLATED = [
  "--die-with-parent",
  "--unshare-net",
  "--unshare-pid",
  "--unshare-ipc",
  "--unshare-uts",
  "--new-session",
  // Root keeps what services need to become somebody else, and nothing by which it could leave.
  ...FORBIDDEN.flatMap((capability) => ["--cap-drop", `CAP_${capability}`]),
  "--ro-bind",
  "/",
  "/",
  "--dev",
  "/dev",
  "--proc",
  "/proc",
  ...HIDDEN.flatMap((folder) => ["--tmpfs", folder]),
];

const TRY_MS_MAX = 10_000;

/** Why nothing can be started in a place of its own here; undefined: it can. */
export async function whyNoSandbox(run: Run): Promise<string | undefined> {
  try {
    const tried = await exec(
      ["bwrap", ...ISOLATED, "--", "true"],
      { timeoutMs: TRY_MS_MAX, isPlain: true },
      run,
    );
    if (tried.exitCode === 0) return undefined;
    return `bubblewrap: ${tried.stderr.trim().split("\n").at(-1) ?? tried.exitCode}`;
  } catch (error) {
    run.signal.throwIfAborted();
    return `${(error as Error).message}: install bubblewrap`;
  }
}

/** Runs a program where it sees no network, no other process, and what is live to be read only. */
export async function runApart(
  program: readonly string[],
  mounts: readonly Mount[],
  timeoutMs: number,
  run: Run,
): Promise<ExecResult> {
  const args = [...ISOLATED, ...mounts.flatMap(argumentsOf), "--", ...program];
  return await exec(["bwrap", ...args], { timeoutMs, isPlain: true, diesWithUs: true }, run);
}

function argumentsOf(mount: Mount): string[] {
  const { kind, at } = mount;
  switch (kind) {
    case "own":
      return ["--bind", mount.from, at];
    case "read":
      // What is beside the data may come and go.
      return ["--ro-bind-try", mount.from, at];
    case "link":
      return ["--symlink", mount.to, at];
  }
}

import { readFileSync, readlinkSync } from "node:fs";
import os from "node:os";

/** Who we are on this machine, as repository locks and snapshots record it. */
export type HostFacts = {
  readonly hostname: string;
  readonly username: string;
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
};

export function hostFacts(): HostFacts {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  return { hostname: os.hostname(), username: userName(uid), pid: process.pid, uid, gid };
}

const PLAIN = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR"];

/** The environment without what only we should know, such as a password. */
export function plainEnvironment(): Record<string, string> {
  return environmentOf(PLAIN);
}

/** For a program that is what we are: it knows what only we should know. */
export function wholeEnvironment(): Record<string, string | undefined> {
  return { ...process.env };
}

/** Has `work` done when this process ends by itself. It cannot wait for anything. */
export function atOurEnd(work: () => void): void {
  process.on("exit", work);
}

/** By which the engine's program finds its engine. */
export const ENGINE_VARIABLES = [
  "DOCKER_HOST",
  "DOCKER_CONTEXT",
  "DOCKER_CONFIG",
  "DOCKER_CERT_PATH",
  "DOCKER_TLS_VERIFY",
];

/** Those of these variables that are set. */
export function environmentOf(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** In a container a user may have a number only. */
function userName(uid: number): string {
  try {
    return os.userInfo().username;
  } catch {
    return String(uid);
  }
}

/** Whether a process of this id exists here. Says nothing about which program it is. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * Until disposed, SIGHUP does not end the process. restic asks by SIGHUP whether the owner of a
 * lock still lives, and a Node process that does not listen dies of the question.
 */
export function surviveSighup(): Disposable {
  const ignore = (): void => {};
  process.on("SIGHUP", ignore);
  return { [Symbol.dispose]: () => void process.off("SIGHUP", ignore) };
}

/**
 * When a process started, in the kernel's ticks, with the machine's boot: together with its id this
 * names a process for good, since ids are used again. Empty when it is not there.
 */
export function processStart(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    // The name of the program stands in brackets and may have spaces in it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return `${boot}:${fields[19]}`;
  } catch {
    // There is no such process, or no /proc.
    return "";
  }
}

/** Names the namespace in which our process ids count; empty where there is none. */
export function pidNamespace(): string {
  return linkOf("/proc/self/ns/pid");
}

export function isSameProcess(pid: number, start: string): boolean {
  return start !== "" && processStart(pid) === start;
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    // Closed meanwhile.
    return "";
  }
}

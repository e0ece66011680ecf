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
  const { username, uid, gid } = os.userInfo();
  return { hostname: os.hostname(), username, pid: process.pid, uid, gid };
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

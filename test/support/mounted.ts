import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";

const DISK_BYTES = 400 * 1024 * 1024;

/** Why a test of real file systems cannot run here; false where it can. */
export const cannotMount =
  (process.getuid?.() !== 0 || !existsSync("/dev/loop0")) && "mounting needs root and loop devices";

/** How the file systems that we know are made. */
export const FILE_SYSTEMS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  ext4: ["mkfs.ext4", "-q", "-F"],
  xfs: ["mkfs.xfs", "-q", "-f"],
  btrfs: ["mkfs.btrfs", "-q", "-f"],
};

/** A disk in a file, mounted until the end of the block. */
export type Mounted = Disposable & {
  readonly at: string;
  /** Changes the file while the disk is taken out. */
  without(change: (image: string) => void): void;
};

/** A new disk of this kind at a folder, which is made. */
export function mounted(at: string, kind: string): Mounted {
  const image = `${at}.image`;
  execFileSync("truncate", ["-s", String(DISK_BYTES), image]);
  const [program, ...args] = FILE_SYSTEMS[kind]!;
  execFileSync(program, [...args, image]);
  mkdirSync(at);
  const mount = (): void => void execFileSync("mount", ["-o", "loop", image, at]);
  const unmount = (): void => void execFileSync("umount", [at]);
  mount();
  return {
    at,
    without(change) {
      unmount();
      change(image);
      mount();
    },
    [Symbol.dispose]: unmount,
  };
}

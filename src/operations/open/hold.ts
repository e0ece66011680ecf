import path from "node:path";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Frozen } from "../../base/freeze.ts";
import type { StoreConfig } from "../../config/schema.ts";
import type { Runner } from "../../runners/runner.ts";
import { type Hold, holdByCommand, holdByHttp, holdLockFile, noHold } from "../../stores/hold.ts";
import { freezePidIn, holdFrozen } from "../../stores/hold-frozen.ts";
import type { Surroundings } from "../components.ts";

/** What keeps an application from writing while its data are captured. CONFIG_INVALID. */
export function openHold(
  { hold }: StoreConfig,
  folder: string,
  name: string,
  runner: Runner | undefined,
  { temporary, clock, folder: workingFolder }: Surroundings,
): Hold {
  if (hold === undefined) return noHold;
  if (hold["lock-file"] !== undefined) return holdLockFile(hold["lock-file"], clock.now);
  if (hold.http !== undefined) return holdByHttp(hold.http.acquire, hold.http.release);
  if (hold.command !== undefined) {
    return holdByCommand(hold.command.acquire, hold.command.release, workingFolder);
  }
  if (hold.freeze !== undefined) {
    const { "pid-file": pidFile, limit: limitMs } = hold.freeze;
    const copies = path.join(temporary, name.replaceAll("/", "-"));
    const { freeze: freezeAll, thaw } = runner ?? {};
    if (pidFile !== undefined) {
      return holdFrozen({
        folder,
        freeze: freezePidIn(pidFile, limitMs),
        limitMs,
        temporary: copies,
      });
    }
    if (freezeAll === undefined || thaw === undefined) {
      throw new AppError("CONFIG_INVALID", `hold ${name}: what cannot be paused has no pid-file`, {
        hint: "Name the pid-file of its process under hold.freeze.",
      });
    }
    const freeze = (run: Run): Promise<Frozen> => freezeAll(limitMs, run);
    return holdFrozen({ folder, freeze, release: thaw, limitMs, temporary: copies });
  }
  return holdStopped(name, runner);
}

function holdStopped(name: string, runner: Runner | undefined): Hold {
  const startAgain = async (run: Run): Promise<void> => {
    await runner?.start({ ...run, signal: new AbortController().signal });
  };
  return {
    outlives: true,
    async acquire(run) {
      if (runner === undefined) {
        throw new AppError(
          "CONFIG_INVALID",
          `hold ${name}: its component has no run to stop it by`,
        );
      }
      await runner.stop(run);
      return { [Symbol.asyncDispose]: () => startAgain(run) };
    },
    release: startAgain,
  };
}

import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { execOk } from "../../base/exec.ts";
import type { OpenStore } from "../components.ts";

/**
 * Makes a store anew from what it is derived from, by the program that its configuration names.
 * SOURCE_FAILED with the program's last words.
 */
export async function rebuild(
  { store, config }: OpenStore,
  folder: string,
  run: Run,
): Promise<void> {
  const { rebuild: how } = config;
  if (how === undefined) throw new AppError("USAGE", `rebuild ${store.name}: nobody says how`);
  const options = { timeoutMs: how.timeout, folder, isPlain: true, diesWithUs: true };
  await execOk(how.command, options, run);
}

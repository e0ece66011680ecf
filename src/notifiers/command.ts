import { type Command, execOk } from "../base/exec.ts";
import { type Notifier, SEND_MS_MAX } from "./notifier.ts";

export type CommandNotifierConfig = { readonly command: Command; readonly folder: string };

/** The notice is on standard input, as JSON; received is what ends with 0. */
export function commandNotifier({ command, folder }: CommandNotifierConfig): Notifier {
  return async (notice, run) => {
    const input = `${JSON.stringify(notice)}\n`;
    await execOk(command, { timeoutMs: SEND_MS_MAX, folder, input, isPlain: true }, run);
  };
}

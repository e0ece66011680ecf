import { demo } from "../../operations/demo/demo.ts";
import type { Command } from "../command.ts";
import { formatBytes } from "../../base/format-bytes.ts";
import { formatMs } from "../format.ts";

export const demoCommand: Command = {
  name: "demo",
  summary: "Shows a backup, a loss and a restore with a real application, then clears up.",
  examples: ["lastgood demo"],

  async run(_args, { env, clock, run }) {
    const tell = (message: string): void => run.report({ type: "told", message });
    const value = await demo({ env, clock }, tell, run);
    const { rowsInPoint, restoreMs, dataBytes, repositoryBytes, elapsedMs } = value;
    return {
      value,
      lines: [
        `${rowsInPoint} rows back in ${formatMs(restoreMs)}; the repository stores ` +
          `${formatBytes(repositoryBytes)} for ${formatBytes(dataBytes)} of data; all in ${formatMs(elapsedMs)}.`,
      ],
    };
  },
};

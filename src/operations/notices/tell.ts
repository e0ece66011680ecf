import type { Run } from "../../base/events.ts";
import { digest } from "../incidents/digest.ts";
import type { System } from "../system.ts";
import { flushOutbox } from "./flush.ts";

const FLUSH_MS_MAX = 5000;

/**
 * After a command: notes what went wrong, and tells whoever wants to know, for a short time; what is not
 * received then `lastgood serve` sends. Nothing of it changes how the command ended.
 */
export async function tellWhatEnded(system: System, run: Run): Promise<void> {
  digest(system, run);
  // Whoever serves sends it, and has started us.
  if (Object.keys(system.config.notify).length === 0 || isServed(system)) return;
  const signal = AbortSignal.timeout(FLUSH_MS_MAX);
  const waiting = await flushOutbox(system, { ...run, signal });
  if (waiting === 0) return;
  const message = `${waiting} notices wait until they are received; lastgood serve sends them`;
  run.report({ type: "warning", message });
}

function isServed({ host }: System): boolean {
  return host.env["LASTGOOD_WHO"] !== undefined;
}

import { setTimeout as sleep } from "node:timers/promises";
import type { Run } from "../../base/events.ts";
import type { System } from "../system.ts";

const ANSWER_MS_MAX = 10_000;

/**
 * Asks a URL every so often until it is cancelled: whoever hears nothing more of us alarms, also when this
 * machine is gone. What is not answered is told once, until it is answered again.
 */
export async function pingDeadMan({ config }: System, run: Run): Promise<void> {
  const deadMan = config["dead-man"];
  if (deadMan === undefined) return;
  const { ping, every } = deadMan;
  let wasHeard = true;
  while (!run.signal.aborted) {
    const signal = AbortSignal.any([run.signal, AbortSignal.timeout(ANSWER_MS_MAX)]);
    const isHeard = await fetch(ping, { signal, redirect: "follow" }).then(
      async (response) => {
        await response.body?.cancel();
        return response.ok;
      },
      () => false,
    );
    if (!isHeard && wasHeard && !run.signal.aborted) {
      const message = `dead-man: ${new URL(ping).host} does not hear us`;
      run.report({ type: "warning", message });
    }
    wasHeard = isHeard;
    await sleep(every, undefined, { signal: run.signal }).catch(() => {});
  }
}

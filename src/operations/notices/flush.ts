import path from "node:path";
import { AppError, hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { monotonicMs } from "../../base/clock.ts";
import { readSecret } from "../../config/secrets.ts";
import type { Config, SecretReference } from "../../config/schema.ts";
import type { Notice, Notifier } from "../../notifiers/notifier.ts";
import { Outbox, type Send } from "../../notifiers/outbox.ts";
import { NOTIFIERS } from "../../plugins.ts";
import { lockComponents } from "../operation-lock.ts";
import type { System } from "../system.ts";
import { RECEIVER, shortened } from "./notice.ts";

const SEND_MS_MAX = 5000;
const LOCK = ".outbox";
const AGAIN_MS = 5000;
const AGAIN_MS_MAX = 15 * 60_000;

/** Who did not receive, and when it is asked again: longer and longer after each time. */
export class Patience {
  readonly #waits = new Map<string, { readonly delayMs: number; readonly untilMs: number }>();

  isDue(receiver: string): boolean {
    return (this.#waits.get(receiver)?.untilMs ?? 0) <= monotonicMs();
  }

  noteSent(receiver: string): void {
    this.#waits.delete(receiver);
  }

  noteFailed(receiver: string): void {
    const before = this.#waits.get(receiver)?.delayMs ?? AGAIN_MS / 2;
    const delayMs = Math.min(before * 2, AGAIN_MS_MAX);
    this.#waits.set(receiver, { delayMs, untilMs: monotonicMs() + delayMs });
  }
}

/** Sends what waits, unless somebody else is at it. How many wait still. */
export async function flushOutbox(
  system: System,
  run: Run,
  patience = new Patience(),
): Promise<number> {
  const { state, locks } = system.paths;
  try {
    using outbox = new Outbox(path.join(state, "outbox.db"));
    if (outbox.waiting === 0) return 0;
    using _lock = lockComponents(locks, [LOCK]);
    const send: Send = async (message) => {
      const { to } = message;
      if (run.signal.aborted || !patience.isDue(to)) return false;
      const isReceived = to.startsWith(RECEIVER)
        ? await sendNotice(system, to.slice(RECEIVER.length), message.body, run)
        : await sendReport(to, message.body, run);
      if (isReceived) patience.noteSent(to);
      else patience.noteFailed(to);
      return isReceived;
    };
    await outbox.flush(send);
    return outbox.waiting;
  } catch (error) {
    if (hasCode(error, "LOCKED")) return 0;
    const message = `reports wait: ${(error as Error).message}`;
    run.report({ type: "warning", message });
    return 0;
  }
}

/** Without the outbox, where that cannot be written: best effort, and not tried again. */
export async function tellAtOnce(system: System, notice: Notice, run: Run): Promise<void> {
  const names = Object.entries(system.config.notify)
    .filter(([, { on }]) => notice.kind !== "test" && on.includes(notice.kind))
    .map(([name]) => name);
  const body = JSON.stringify(shortened(notice));
  await Promise.all(names.map((name) => sendNotice(system, name, body, run)));
}

/** For an updater's fleet. Received is what was answered with 200, in the header and in the body. */
async function sendReport(to: string, body: string, { signal }: Run): Promise<boolean> {
  try {
    const response = await fetch(to, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      redirect: "error",
      signal: AbortSignal.any([signal, AbortSignal.timeout(SEND_MS_MAX)]),
    });
    const answer = (await response.json()) as { code?: unknown };
    return response.status === 200 && answer.code === 200;
  } catch {
    // It is being restarted, mostly: the next attempt finds it.
    return false;
  }
}

/** One that is not configured any more is received by nobody, for good. */
async function sendNotice(system: System, name: string, body: string, run: Run): Promise<boolean> {
  const config = system.config.notify[name];
  if (config === undefined) return true;
  try {
    const notifier = await openNotifier(system, config, run);
    await notifier(JSON.parse(body) as Notice, run);
    return true;
  } catch (error) {
    const { message, cause } = error as Error;
    const why = cause instanceof Error ? `${message}: ${cause.message}` : message;
    run.report({ type: "warning", message: `notify ${name}: ${why}; it is tried again` });
    return false;
  }
}

type NotifierConfig = Config["notify"][string];

async function openNotifier(
  { host, loaded }: System,
  { webhook, secret, email, command, ntfy, token }: NotifierConfig,
  run: Run,
): Promise<Notifier> {
  const read = async (reference: SecretReference | undefined): Promise<string | undefined> =>
    reference === undefined ? undefined : await readSecret(reference, host.env, run);
  if (webhook !== undefined) {
    const now = (): Date => host.clock.now();
    return await NOTIFIERS.webhook({ url: webhook, secret: await read(secret), now });
  }
  if (ntfy !== undefined) return await NOTIFIERS.ntfy({ url: ntfy, token: await read(token) });
  if (command !== undefined) {
    return await NOTIFIERS.command({ command, folder: path.dirname(loaded.file) });
  }
  if (email === undefined) throw new AppError("CONFIG_INVALID", "notify: nobody is named");
  const { password, user, ...others } = email;
  return await NOTIFIERS.email({ ...others, user, password: await read(password) });
}

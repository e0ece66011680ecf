import path from "node:path";
import type { Notice } from "../../notifiers/notifier.ts";
import { Outbox } from "../../notifiers/outbox.ts";
import type { System } from "../system.ts";

/** By which the outbox tells whom a message is for: nobody has a URL like it. */
export const RECEIVER = "notify:";

/** Puts a notice into the outbox, for everybody who wants to hear of its kind. */
export function queueNotice(
  { config, paths }: Pick<System, "config" | "paths">,
  notice: Notice,
): void {
  const wanted = Object.entries(config.notify).filter(
    ([, { on }]) => notice.kind === "test" || on.includes(notice.kind),
  );
  if (wanted.length === 0) return;
  using outbox = new Outbox(path.join(paths.state, "outbox.db"));
  for (const [name] of wanted) outbox.add(`${RECEIVER}${name}`, JSON.stringify(notice));
}

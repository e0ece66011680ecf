import path from "node:path";
import { cut, redact } from "../../base/redact.ts";
import type { Notice } from "../../notifiers/notifier.ts";
import { Outbox } from "../../notifiers/outbox.ts";
import type { System } from "../system.ts";

/** By which the outbox tells whom a message is for: nobody has a URL like it. */
export const RECEIVER = "notify:";

const TITLE_MAX = 200;
/** ntfy takes 4096 bytes, and a character may be four. */
const TEXT_MAX = 900;

/** As long as every receiver takes, and without what is nobody's to read. */
export function shortened(notice: Notice): Notice {
  const [title, text] = [redact(notice.title), redact(notice.text)];
  return { ...notice, title: cut(title, TITLE_MAX), text: cut(text, TEXT_MAX) };
}

/** Puts a notice into the outbox, for everybody who wants to hear of its kind. */
export function queueNotice(
  { config, paths }: Pick<System, "config" | "paths">,
  notice: Notice,
): void {
  const wanted = Object.entries(config.notify).filter(
    ([, { on }]) => notice.kind === "test" || on.includes(notice.kind),
  );
  if (wanted.length === 0) return;
  const body = JSON.stringify(shortened(notice));
  using outbox = new Outbox(path.join(paths.state, "outbox.db"));
  for (const [name] of wanted) outbox.add(`${RECEIVER}${name}`, body);
}

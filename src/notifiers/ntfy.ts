import type { Run } from "../base/events.ts";
import { type Notice, type Notifier, post, subjectOf } from "./notifier.ts";

// https://docs.ntfy.sh/publish: published as JSON to the server's root, so that any character may be in it.

export type NtfyConfig = { readonly url: string; readonly token: string | undefined };

const PRIORITIES = { failure: 4, overdue: 4, recovery: 3, test: 2 } as const satisfies Record<
  Notice["kind"],
  number
>;
const TAGS = {
  failure: "rotating_light",
  overdue: "hourglass",
  recovery: "white_check_mark",
  test: "wave",
} as const satisfies Record<Notice["kind"], string>;

/** `url` is that of a topic. */
export function ntfyNotifier({ url, token }: NtfyConfig): Notifier {
  const { origin, pathname } = new URL(url);
  const topic = pathname.split("/").at(-1) ?? "";
  const root = origin + pathname.slice(0, pathname.length - topic.length);
  return async (notice: Notice, run: Run) => {
    const body = JSON.stringify({
      topic,
      title: subjectOf(notice),
      message: notice.text,
      priority: PRIORITIES[notice.kind],
      tags: [TAGS[notice.kind]],
    });
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    await post(root, { "content-type": "application/json", ...authorization }, body, run);
  };
}

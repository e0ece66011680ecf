import { createHmac } from "node:crypto";
import { type Notifier, post } from "./notifier.ts";

// Signed as https://www.standardwebhooks.com says: HMAC-SHA256 over "id.timestamp.body". The same id comes
// again with the same notice, so that a receiver can tell what it has had.

export type WebhookConfig = {
  readonly url: string;
  /** Undefined: not signed. */
  readonly secret: string | undefined;
  readonly now: () => Date;
};

export function webhookNotifier({ url, secret, now }: WebhookConfig): Notifier {
  return async (notice, run) => {
    const body = JSON.stringify({
      type: `lastgood.${notice.kind}`,
      timestamp: notice.at,
      data: notice,
    });
    const time = String(Math.floor(now().getTime() / 1000));
    const signature =
      secret === undefined ? {} : { "webhook-signature": signed(secret, notice.id, time, body) };
    const headers = {
      "content-type": "application/json",
      "webhook-id": notice.id,
      "webhook-timestamp": time,
      ...signature,
    };
    await post(url, headers, body, run);
  };
}

const PREFIX = "whsec_";

/** A secret with the prefix is base64 of the key; any other is the key itself. */
function signed(secret: string, id: string, time: string, body: string): string {
  const key = secret.startsWith(PREFIX)
    ? Buffer.from(secret.slice(PREFIX.length), "base64")
    : Buffer.from(secret);
  return `v1,${createHmac("sha256", key).update(`${id}.${time}.${body}`).digest("base64")}`;
}

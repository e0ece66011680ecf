import { createTransport } from "nodemailer";
import { type Notice, type Notifier, SEND_MS_MAX, subjectOf } from "./notifier.ts";

export type EmailConfig = {
  readonly to: readonly string[];
  readonly from: string;
  readonly host: string;
  readonly port: number;
  /** `start`: encrypted once both know each other, or not at all; `always`: from the first byte. */
  readonly tls: "always" | "start" | "never";
  readonly user: string | undefined;
  readonly password: string | undefined;
};

/** By SMTP. A password is never sent in the clear. */
export function emailNotifier(config: EmailConfig): Notifier {
  const { to, from, host, port, tls, user, password } = config;
  const isEncrypted = tls === "start" ? { requireTLS: true } : { ignoreTLS: tls === "never" };
  const auth = user === undefined ? {} : { auth: { user, pass: password ?? "" } };
  return async (notice) => {
    const transport = createTransport({
      host,
      port,
      secure: tls === "always",
      ...isEncrypted,
      ...auth,
      connectionTimeout: SEND_MS_MAX,
      greetingTimeout: SEND_MS_MAX,
      socketTimeout: SEND_MS_MAX,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    try {
      await transport.sendMail({
        from,
        to: [...to],
        subject: subjectOf(notice),
        text: textOf(notice),
        // The same notice sent twice is the same message.
        messageId: `<${notice.id}@lastgood.invalid>`,
      });
    } finally {
      transport.close();
    }
  };
}

function textOf({ system, at, text, incident }: Notice): string {
  const where = incident === undefined ? [] : ["", `lastgood incident show ${incident}`];
  return [text, "", `System: ${system}`, `Time: ${at}`, ...where, ""].join("\n");
}

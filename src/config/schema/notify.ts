import * as z from "zod";
import { command, duration, secret, webUrl } from "./values.ts";

const email = z
  .strictObject({
    to: z.array(z.email()).min(1),
    from: z.email(),
    host: z.string().min(1).describe("The mail server"),
    port: z.int().min(1).max(65_535).default(465),
    tls: z
      .enum(["always", "start", "never"])
      .default("always")
      .describe(
        "always: from the first byte; start: by STARTTLS; never: for a server on this machine",
      ),
    user: z.string().optional(),
    password: secret.optional(),
  })
  .refine(({ tls, password }) => tls !== "never" || password === undefined, {
    message: "a password is not sent in the clear: tls: always or start",
  });

const KINDS = ["webhook", "email", "command", "ntfy"] as const;

/** Whom lastgood tells of what. */
export const notifier = z
  .strictObject({
    webhook: webUrl.optional(),
    secret: secret.optional().describe("Signs a webhook, as standardwebhooks.com says"),
    email: email.optional(),
    command: command.optional().describe("Gets the notice as JSON on standard input"),
    ntfy: webUrl.optional().describe("The URL of a topic"),
    token: secret.optional().describe("Of ntfy"),
    on: z
      .array(z.enum(["failure", "recovery", "overdue"]))
      .min(1)
      .default(["failure", "recovery", "overdue"]),
  })
  .refine((value) => KINDS.filter((kind) => value[kind] !== undefined).length === 1, {
    message: `exactly one of ${KINDS.join(", ")}`,
  });

export const deadMan = z.strictObject({
  ping: webUrl.describe("Is asked as long as all is in order; who hears nothing more, alarms"),
  every: duration.prefault("5m"),
});

import * as z from "zod";
import { dependencyProblem, sharedTarget } from "./dependencies.ts";
import { component } from "./schema/component.ts";
import { deadMan, notifier } from "./schema/notify.ts";
import { updater } from "./schema/updater.ts";
import { adminBackup, serve } from "./schema/serve.ts";
import { count, cron, duration, filePath, name, secret } from "./schema/values.ts";

// What may stand in lastgood.yaml. Unknown keys are errors everywhere. The descriptions become the
// reference and the JSON schema for editors.

export const DEFAULT_STATE = ".lastgood";

const repository = z
  .strictObject({
    at: filePath.describe("A folder, s3://host/bucket/prefix, or sftp://user@host/folder"),
    password: secret,
    s3: z
      .strictObject({
        "access-key": secret,
        "secret-key": secret,
        region: z.string().default("us-east-1"),
        lock: z
          .strictObject({
            for: duration,
            mode: z.enum(["governance", "compliance"]).default("governance"),
          })
          .optional()
          .describe("So long nobody can remove what is put; the bucket needs object lock"),
        tls: z.boolean().optional().describe("By default yes, but not on this machine itself"),
      })
      .optional()
      .describe("Of a place in S3: who we are there"),
    sftp: z
      .strictObject({
        identity: filePath.optional().describe("The private key that ssh shows"),
        "known-hosts": filePath.optional().describe("Whom ssh trusts, and nobody else"),
      })
      .optional()
      .describe("Of a place that SFTP reaches: what ssh does not know by itself"),
  })
  .refine(({ at, s3 }) => at.startsWith("s3://") === (s3 !== undefined), {
    message: "s3: belongs to a place s3://host/bucket/prefix, and only to that",
  })
  .refine(({ at, sftp }) => sftp === undefined || at.startsWith("sftp://"), {
    message: "sftp: belongs to a place sftp://user@host/folder, and only to that",
  });

const fields = z.strictObject({
  system: name.describe("The name of this system"),
  state: filePath.default(DEFAULT_STATE).describe("Journal and history"),
  repository,
  copies: z.record(name, repository).default({}).describe("Other repositories for `copy`"),
  keep: z
    .strictObject({
      last: count.optional(),
      hourly: count.optional(),
      daily: count.optional(),
      weekly: count.optional(),
      monthly: count.optional(),
      yearly: count.optional(),
    })
    .default({ daily: 7, weekly: 4, monthly: 6 }),
  schedule: z
    .strictObject({
      backup: z.array(z.strictObject({ cron, include: z.array(name).default([]) })).default([]),
      prune: cron.optional().describe("forget, and then prune"),
      copy: cron.optional().describe("Brings each repository under copies: up to date"),
      verify: z
        .strictObject({ cron, parts: z.int().min(1).max(9999).default(30) })
        .optional()
        .describe("Reads one part of the repository: what was not read for longest"),
      drill: z
        .strictObject({ every: duration })
        .prefault({ every: "90d" })
        .describe("Also after a release that may have changed the form of the data"),
    })
    .optional(),
  health: z
    .strictObject({
      every: duration.prefault("5m").describe("How often lastgood serve asks the checks"),
      keep: duration.prefault("400d").describe("How long it is remembered what they said"),
    })
    .prefault({}),
  notify: z.record(name, notifier).default({}).describe("Whom lastgood tells of what"),
  "dead-man": deadMan.optional().describe("What is heard as long as lastgood serve lives"),
  objectives: z
    .strictObject({
      "recovery-time": duration.optional().describe("So long it may take until all runs again"),
      "data-loss": duration.optional().describe("So much of the last work may be lost"),
    })
    .optional()
    .describe("What is promised: drills and the console measure against it"),
  export: z
    .strictObject({ at: filePath, keep: z.int().min(1).default(7) })
    .optional()
    .describe("Each valid point also as a plain folder, for other programs"),
  "undo-for": duration.prefault("7d").describe("How long a restore can be undone"),
  "docker-host": z
    .string()
    .regex(/^(unix|tcp|ssh):\/\//, "as in unix:///run/docker.sock")
    .optional()
    .describe("Where the container engine is; by default where docker itself looks"),
  serve: serve.prefault({}).describe("The console and the API of lastgood serve"),
  "admin-backup": adminBackup
    .optional()
    .describe("The interface for backups that other programs call: POST /admin/backup"),
  updater: updater
    .optional()
    .describe("The interface of an over-the-air updater that fleets speak with already"),
  components: z.record(name, component).superRefine((components, context) => {
    const problem = dependencyProblem(components) ?? sharedTarget(components);
    if (problem === undefined) return;
    const { component: at, message } = problem;
    context.addIssue({ code: "custom", path: [at], message });
  }),
});

/** The updater's interface knows no tokens: from where packages may come has to be said. */
export const configSchema = fields.superRefine(({ updater: api, components }, context) => {
  if (api === undefined) return;
  const target = components[api.component]?.target;
  const add = (message: string): void =>
    context.addIssue({ code: "custom", path: ["updater", "component"], message });
  if (target === undefined) add(`${api.component} is no component with a target`);
  else if (target["package-hosts"] === undefined) {
    add(`say from where packages may come: components.${api.component}.target.package-hosts`);
  }
});

export type Config = z.output<typeof configSchema>;
export type ComponentConfig = Config["components"][string];
export type StoreConfig = ComponentConfig["stores"][string];
export type CheckConfig = ComponentConfig["checks"][string];
export type SecretReference = Config["repository"]["password"];

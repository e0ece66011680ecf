import * as z from "zod";
import { parseDuration } from "./units.ts";

// What may stand in lastgood.yaml. Unknown keys are errors everywhere. The descriptions become the
// reference and the JSON schema for editors.

const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, "small letters, digits, - and _, at most 64");

const filePath = z.string().min(1).describe("Absolute, or relative to lastgood.yaml");

const duration = z
  .string()
  .refine((text) => parseDuration(text) !== undefined, "a duration such as 500ms, 30s, 10m or 90d")
  .transform((text) => parseDuration(text)!);

const command = z
  .tuple([z.string().min(1)], z.string())
  .describe("A program and its arguments, as a list: never a shell line");

const secret = z
  .union([
    z.strictObject({ file: filePath }),
    z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) }),
    z.strictObject({ command }),
  ])
  .describe("Where a secret stands: { file: … }, { env: … } or { command: […] }; never the secret");

const count = z.union([z.int().min(0), z.literal("all")]);

const hold = z
  .strictObject({
    "lock-file": filePath.optional().describe("Made before the copy and removed after it"),
    command: z.strictObject({ acquire: command, release: command }).optional(),
    http: z.strictObject({ acquire: z.url(), release: z.url() }).optional(),
    freeze: z
      .strictObject({ "pid-file": filePath, limit: duration.prefault("2s") })
      .optional()
      .describe("Freeze this process for the milliseconds of a copy of what has just changed"),
    stop: z.literal(true).optional().describe("Stop the component for the copy"),
  })
  .refine((value) => Object.keys(value).length === 1, "exactly one way to hold the application");

export const DEFAULT_STATE = ".lastgood";

const STORE_KINDS = ["sqlite", "file", "folder", "chroma"] as const;

const store = z
  .strictObject({
    sqlite: filePath.optional().describe("A SQLite database"),
    file: filePath.optional().describe("A single file"),
    folder: filePath.optional().describe("A folder with all that is in it"),
    chroma: filePath.optional().describe("A Chroma folder"),
    owner: z
      .string()
      .regex(/^\d+:\d+$/, "numbers, as in 1000:1000")
      .optional()
      .describe("Of the restored files; else the one they had"),
    mode: z
      .string()
      .regex(/^0?[0-7]{3,4}$/, 'octal in quotes, as in "0600"')
      .optional(),
    format: z.literal("json").optional().describe("Of a file: what it has to be"),
    optional: z.boolean().default(false).describe("Whether it may be missing"),
    include: z.enum(["always", "on-request"]).default("always"),
    "derived-from": name.optional().describe("The store of which this is made, which goes first"),
    hold: hold.optional().describe("What keeps the application from writing during the copy"),
  })
  .refine((value) => STORE_KINDS.filter((kind) => value[kind] !== undefined).length === 1, {
    message: `exactly one of ${STORE_KINDS.join(", ")}`,
  });

const expectation = z.strictObject({
  equals: z.unknown().optional(),
  above: z.number().optional(),
  below: z.number().optional(),
});

const httpRequest = z.union([
  z.url(),
  z.strictObject({ get: z.url() }),
  z.strictObject({ post: z.url(), body: z.unknown().optional() }),
]);

const check = z
  .strictObject({
    http: httpRequest.optional(),
    status: z.int().min(100).max(599).default(200),
    json: z.record(z.string(), expectation).default({}),
    command: command.optional(),
    runner: z.literal(true).optional().describe("Whether the component's processes live"),
    timeout: duration.prefault("5s"),
    need: z.enum(["required", "wanted"]).default("required"),
  })
  .refine(
    (value) =>
      [value.http, value.command, value.runner].filter((v) => v !== undefined).length === 1,
    { message: "exactly one of http, command, runner" },
  );

const component = z.strictObject({
  run: z
    .strictObject({
      command: z.strictObject({
        start: command,
        stop: command,
        alive: command.describe("Ends with 0 while it lives"),
        "start-timeout": duration.prefault("30s"),
        "stop-timeout": duration.prefault("10s"),
      }),
    })
    .optional()
    .describe("How its processes are stopped and started"),
  stores: z.record(name, store).default({}),
  checks: z.record(name, check).default({}),
  verify: z
    .strictObject({ "healthy-for": duration.prefault("1s"), deadline: duration.prefault("30s") })
    .refine((v) => v["healthy-for"] < v.deadline, "healthy-for has to be shorter than deadline")
    .prefault({}),
  files: z
    .array(filePath)
    .default([])
    .describe("Env files, units, proxy configuration: in every point, for a new machine"),
});

const repository = z.strictObject({
  at: filePath.describe("A folder"),
  password: secret,
});

export const configSchema = z.strictObject({
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
      backup: z
        .array(z.strictObject({ cron: z.string(), include: z.array(name).default([]) }))
        .default([]),
      prune: z.string().optional(),
      drill: z.strictObject({ every: duration }).optional(),
    })
    .optional(),
  export: z
    .strictObject({ at: filePath, keep: z.int().min(1).default(7) })
    .optional()
    .describe("Each valid point also as a plain folder, for other programs"),
  "undo-for": duration.prefault("7d").describe("How long a restore can be undone"),
  components: z.record(name, component),
});

export type Config = z.output<typeof configSchema>;
export type ComponentConfig = Config["components"][string];
export type StoreConfig = ComponentConfig["stores"][string];
export type CheckConfig = ComponentConfig["checks"][string];
export type SecretReference = Config["repository"]["password"];

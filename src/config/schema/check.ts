import * as z from "zod";
import { command, duration, filePath, name, webUrl } from "./values.ts";

const expectation = z.strictObject({
  equals: z.unknown().optional(),
  above: z.number().optional(),
  below: z.number().optional(),
});

const httpRequest = z.union([
  webUrl,
  z.strictObject({ get: webUrl }),
  z.strictObject({ post: webUrl, body: z.unknown().optional() }),
]);

const regularExpression = z.string().refine((text) => {
  try {
    return new RegExp(text, "u").unicode;
  } catch {
    return false;
  }
}, "a regular expression");

const version = z
  .strictObject({
    http: webUrl.optional(),
    field: z.string().optional().describe("Of a JSON answer: the dotted path of the version in it"),
    "release-file": z.string().optional().describe("In the release, such as VERSION"),
    command: command.optional(),
  })
  .refine(
    (value) =>
      [value.http, value["release-file"], value.command].filter((one) => one !== undefined)
        .length === 1,
    "exactly one of http, release-file, command",
  );

const log = z
  .strictObject({
    file: filePath.optional(),
    unit: z.string().optional().describe("A systemd unit, whose journal is read"),
    bad: regularExpression.describe("A line that must not come"),
  })
  .refine(
    ({ file, unit }) => (file === undefined) !== (unit === undefined),
    "exactly one of file, unit",
  );

const sql = expectation.extend({
  store: name.describe("A database of this component"),
  query: z.string().min(1).describe("Its first row's first column is looked at"),
});

const relation = z
  .strictObject({
    rows: name.describe("A database of this component"),
    query: z.string().min(1).describe("Each row is what there has to be in the other store"),
    objects: name.optional().describe("An s3 or folder store: each row is a name, and a size"),
    documents: name
      .optional()
      .describe("An elasticsearch store: each row is an index, a value of field, and how many"),
    field: z.string().min(1).optional(),
    timeout: duration.prefault("10m"),
  })
  .refine(
    ({ objects, documents, field }) =>
      (objects === undefined) === (documents !== undefined && field !== undefined),
    "either objects, or documents and field",
  );

const KINDS = ["http", "tcp", "command", "runner", "version", "log", "sql", "relation"] as const;

export const check = z
  .strictObject({
    http: httpRequest.optional(),
    status: z.int().min(100).max(599).default(200),
    headers: z.record(z.string(), z.string()).default({}).describe("What the answer has to have"),
    json: z.record(z.string(), expectation).default({}),
    "max-latency": duration.optional(),
    tcp: z
      .string()
      .regex(/^(\[[0-9a-f:]+\]|[^:[\]]+):\d{1,5}$/i, "host:port")
      .optional(),
    command: command.optional(),
    runner: z.literal(true).optional().describe("Whether the component's processes live"),
    version: version.optional().describe("Whether it is the live release that answers"),
    log: log.optional().describe("Whether no new line looks bad"),
    sql: sql.optional(),
    relation: relation
      .optional()
      .describe("Whether what one store refers to is in another; looks at all of it"),
    timeout: duration.prefault("5s"),
    need: z
      .enum(["required", "wanted", "shadow"])
      .default("required")
      .describe("required decides; wanted reports; shadow is only written down, to be tried out"),
  })
  .refine((value) => KINDS.filter((kind) => value[kind] !== undefined).length === 1, {
    message: `exactly one of ${KINDS.join(", ")}`,
  });

const metric = z.strictObject({
  http: webUrl.describe("How long its answer takes; or with field, a number in it"),
  field: z.string().optional().describe("The dotted path of a number in the JSON answer"),
  "critical-ratio": z.number().positive().default(10).describe("So much worse than before is bad"),
  samples: z.int().min(1).default(10).describe("Fewer good answers than this say nothing"),
});

export const bake = z
  .strictObject({
    for: duration.describe("So long a new release is watched before it counts as good"),
    every: duration.prefault("5s"),
    metrics: z.record(name, metric).default({}),
  })
  .refine(
    (value) =>
      Object.values(value.metrics).every(({ samples }) => value.for >= value.every * samples),
    "for is too short for so many samples: make every shorter, or ask for fewer",
  );

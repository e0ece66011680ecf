import * as z from "zod";
import { command, duration, filePath, name, secret, webUrl } from "./values.ts";

const hold = z
  .strictObject({
    "lock-file": filePath.optional().describe("Made before the copy and removed after it"),
    command: z.strictObject({ acquire: command, release: command }).optional(),
    http: z.strictObject({ acquire: webUrl, release: webUrl }).optional(),
    freeze: z
      .strictObject({ "pid-file": filePath.optional(), limit: duration.prefault("2s") })
      .optional()
      .describe(
        "Freeze this process, or without one the containers, for a copy of what has just changed",
      ),
    stop: z.literal(true).optional().describe("Stop the component for the copy"),
  })
  .refine((value) => Object.keys(value).length === 1, "exactly one way to hold the application");

const schema = z
  .strictObject({
    prisma: z.literal(true).optional(),
    alembic: z.literal(true).optional(),
    django: z.literal(true).optional(),
    "user-version": z.literal(true).optional(),
    hash: z.literal(true).optional().describe("Of all CREATE statements; this is the default"),
    query: z.string().min(1).optional().describe("Its rows are the migrations"),
    command: command.optional().describe("Its lines are the migrations"),
  })
  .refine((value) => Object.keys(value).length === 1, "exactly one way to know the schema");

const STORE_KINDS = [
  "sqlite",
  "file",
  "folder",
  "chroma",
  "faiss",
  "mysql",
  "postgres",
  "redis",
  "s3",
  "elasticsearch",
  "command",
] as const;

const serverName = z.string().regex(/^[A-Za-z0-9._:-]+$/, "a host name or address");
const containerName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, "the name of a container")
  .describe("In which the server runs, with its programs");

const server = {
  database: z.string().regex(/^[^\0/\\.~-][^\0/\\.~]*$/, "the name of a database"),
  container: containerName.optional(),
  host: serverName.optional(),
  port: z.int().min(1).max(65_535).optional(),
  socket: filePath.optional(),
  password: secret.optional(),
  users: z.boolean().default(false).describe("Keep the accounts in the point too"),
};
const userName = z.string().regex(/^[^-].*$/, "the name of a user");

const mysql = z.strictObject({ ...server, user: userName.default("root") });
const postgres = z.strictObject({ ...server, user: userName.default("postgres") });

const s3 = z.strictObject({
  endpoint: webUrl,
  buckets: z
    .union([z.array(z.string()).min(1), z.strictObject({ match: z.string() })])
    .describe("Names, or { match: REGEX }"),
  prefix: z.string().default("").describe("Only objects whose keys begin so"),
  "access-key": secret,
  "secret-key": secret,
  region: z.string().default("us-east-1"),
});

const elasticsearch = z.strictObject({
  endpoint: webUrl,
  indices: z
    .array(
      z
        .string()
        .regex(/^[^-_+.A-Z][^A-Z\\/?"<>| ,#:]*$/, "the name of an index, or a pattern with *"),
    )
    .min(1)
    .describe("Names, and patterns with *"),
  user: userName.optional(),
  password: secret.optional(),
  snapshots: z
    .strictObject({
      repository: z.string().regex(/^[^_A-Z][^A-Z\\/*?"<>| ,#]*$/, "the name of a repository"),
      location: z.string().min(1).optional().describe("Where it is made if it is not there"),
    })
    .optional()
    .describe("The server's own snapshots have the documents, and a point says which"),
});

const redis = z.strictObject({
  folder: filePath,
  container: containerName.optional(),
  host: serverName.optional(),
  port: z.int().min(1).max(65_535).optional(),
  socket: filePath.optional(),
  user: userName.optional(),
  password: secret.optional(),
});

const faissExpectation = z
  .strictObject({
    dimension: z.int().positive().optional(),
    type: z.string().optional().describe("The class in FAISS, such as IndexFlatL2"),
    metric: z.enum(["l2", "inner-product", "l1", "linf", "lp"]).optional(),
    model: z.string().optional().describe("In the side file of the index, <index>.json"),
    rows: z
      .strictObject({ sqlite: filePath, query: z.string().min(1) })
      .optional()
      .describe("How many rows have a vector in it"),
  })
  .describe("What the index has to be; anything else is refused");

export const store = z
  .strictObject({
    sqlite: filePath.optional().describe("A SQLite database"),
    file: filePath.optional().describe("A single file"),
    folder: filePath.optional().describe("A folder with all that is in it"),
    chroma: filePath.optional().describe("A Chroma folder"),
    faiss: filePath.optional().describe("A folder with a FAISS index"),
    "index-file": z
      .string()
      .regex(/^[^/]+$/)
      .optional()
      .describe("Of faiss: the index in it, if not index.faiss"),
    expect: faissExpectation.optional().describe("Of faiss"),
    mysql: mysql.optional().describe("A database of MariaDB or MySQL"),
    postgres: postgres.optional().describe("A database of PostgreSQL; socket is its folder"),
    s3: s3.optional().describe("Objects of one or many buckets"),
    elasticsearch: elasticsearch.optional().describe("Indices of an Elasticsearch or OpenSearch"),
    redis: redis.optional().describe("A Redis or Valkey; folder is where it has its files"),
    command: z
      .strictObject({
        dump: command.describe("Prints all the data"),
        load: command.describe("Takes that, and makes it all the data that there are"),
        check: command.optional().describe("Ends with 0 when what it is given can be loaded"),
        container: containerName.optional(),
      })
      .optional()
      .describe("Data that only programs can read and write"),
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
    schema: schema.optional().describe("How it is known which releases can read the data"),
    optional: z.boolean().default(false).describe("Whether it may be missing"),
    include: z.enum(["always", "on-request"]).default("always"),
    "derived-from": name.optional().describe("The store of which this is made, which goes first"),
    rebuild: z
      .strictObject({
        command: command.describe(
          "Run once the component is well, where a restore had nothing of it",
        ),
        costs: z.string().min(1).describe("For people: how long it takes, and what else it costs"),
        timeout: duration.prefault("24h"),
      })
      .optional()
      .describe("How it is made again from the store it is derived from"),
    hold: hold.optional().describe("What keeps the application from writing during the copy"),
  })
  .refine((value) => STORE_KINDS.filter((kind) => value[kind] !== undefined).length === 1, {
    message: `exactly one of ${STORE_KINDS.join(", ")}`,
  });

import * as z from "zod";
import { bake, check } from "./check.ts";
import { store } from "./store.ts";
import { command, duration, filePath, name, secret, size } from "./values.ts";

const timeouts = {
  "start-timeout": duration.prefault("30s"),
  "stop-timeout": duration.prefault("10s"),
};

const unit = z
  .string()
  .regex(/^[A-Za-z0-9:_.\\@-]+\.(service|socket|timer|target|path)$/, "as in web-server.service");

const RUNNERS = ["command", "systemd", "process", "compose", "container"] as const;

const compose = z
  .strictObject({
    file: filePath.optional().describe("The compose file"),
    files: z.array(filePath).min(1).optional().describe("Several, as compose merges them"),
    service: z.string().regex(/^[A-Za-z0-9._-]+$/, "the name of a service"),
    project: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]*$/, "small letters, digits, - and _")
      .optional()
      .describe("As in compose -p; by default what compose would call it"),
  })
  .refine((value) => (value.file === undefined) !== (value.files === undefined), "file or files");

const container = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, "the name of a container"),
  options: z
    .array(z.string())
    .default([])
    .describe("As docker create takes them, such as --restart=unless-stopped, -p, 3000:3000"),
  command: z.array(z.string()).default([]).describe("What runs in it, if not what the image says"),
  image: z.string().optional().describe("For a component without a target: with its tag"),
});

const runner = z
  .strictObject({
    command: z
      .strictObject({
        start: command,
        stop: command,
        alive: command.describe("Ends with 0 while it lives"),
        ...timeouts,
      })
      .optional(),
    systemd: z
      .array(unit)
      .min(1)
      .optional()
      .describe("Units, in the order in which they start; stopped the other way round"),
    process: command.optional().describe("A program that lastgood starts and ends itself"),
    compose: compose.optional().describe("A service of a compose project"),
    container: container.optional().describe("A container that lastgood makes itself"),
    folder: filePath.optional().describe("Of a process: where it is started"),
    env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).default({}),
    ...timeouts,
  })
  .refine((value) => RUNNERS.filter((kind) => value[kind] !== undefined).length === 1, {
    message: `exactly one of ${RUNNERS.join(", ")}`,
  });

const imageName = z
  .string()
  .regex(/^[a-zA-Z0-9.:_/-]+$/, "as in cr.example/team/web, without a tag")
  .refine((text) => !/:[^/]*$/.test(text), "without a tag: versions are the tags");

const target = z
  .strictObject({
    folder: filePath
      .optional()
      .describe("Has the releases as v1.2.0, and the links current, previous, factory"),
    image: imageName
      .optional()
      .describe("Releases are images of this name: the tag is the version"),
    "env-file": filePath.optional().describe("Of an image: where the version stands for compose"),
    key: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
      .optional()
      .describe("In the env file; every other key stays as it is"),
    "save-images": z
      .boolean()
      .default(false)
      .describe(
        "Of images: each release and each point has the image in it, so no clean-up takes it",
      ),
    registry: z
      .strictObject({ user: z.string(), password: secret })
      .optional()
      .describe("Who asks the registry what there is; images are pulled as docker login says"),
    keep: z.int().min(1).default(3).describe("So many good releases, of those that were live last"),
    "max-size": size.prefault("4GiB").describe("What a package may unpack to"),
    "hold-after-rollback": z
      .boolean()
      .default(true)
      .describe("Whether deploys wait after a rollback until lastgood resume"),
    "post-commands": z
      .enum(["run", "refuse"])
      .default("refuse")
      .describe("Whether packages may have shell lines run in the release that is unpacked"),
    "package-hosts": z
      .array(z.string())
      .optional()
      .describe("Hosts, with their ports, from which packages may come; all when there is no list"),
  })
  .refine(
    (value) => (value.folder === undefined) !== (value.image === undefined),
    "exactly one of folder, image",
  )
  .refine(
    (value) => (value.key === undefined) === (value["env-file"] === undefined),
    "env-file and key belong together",
  )
  .refine((value) => value.image !== undefined || value.key === undefined, "env-file is of images");

export const component = z
  .strictObject({
    target: target.optional().describe("Where its releases live"),
    run: runner.optional().describe("How its processes are stopped and started"),
    "depends-on": z
      .array(name)
      .default([])
      .describe("Components that have to run before it, and stop after it"),
    stores: z.record(name, store).default({}),
    checks: z.record(name, check).default({}),
    verify: z
      .strictObject({ "healthy-for": duration.prefault("1s"), deadline: duration.prefault("30s") })
      .refine((v) => v["healthy-for"] < v.deadline, "healthy-for has to be shorter than deadline")
      .prefault({}),
    bake: bake.optional(),
    drill: z
      .strictObject({
        run: runner
          .refine(
            ({ process, command: own }) => process !== undefined || own !== undefined,
            "process or command: a drill starts it where there is nothing else",
          )
          .optional()
          .describe("How it is started in a drill; by default as it is"),
        writable: z
          .array(filePath)
          .default([])
          .describe("Folders that it writes to and that are in no store: empty ones in a drill"),
      })
      .optional()
      .describe("How a restored copy is started apart from everything that is live"),
    files: z
      .array(filePath)
      .default([])
      .describe("Env files, units, proxy configuration: in every point, for a new machine"),
  })
  .superRefine(({ stores, checks }, context) => {
    for (const [called, { sql, relation }] of Object.entries(checks)) {
      const { rows, objects, documents } = relation ?? {};
      const named = { sql: { store: sql?.store }, relation: { rows, objects, documents } };
      for (const [kind, keys] of Object.entries(named)) {
        for (const [key, wanted] of Object.entries(keys)) {
          if (wanted === undefined || wanted in stores) continue;
          const path = ["checks", called, kind, key];
          context.addIssue({ code: "custom", path, message: `there is no store ${wanted}` });
        }
      }
    }
  });

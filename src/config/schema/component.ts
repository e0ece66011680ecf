import * as z from "zod";
import { bake, check } from "./check.ts";
import { store } from "./store.ts";
import { command, duration, filePath, name, size } from "./values.ts";

const timeouts = {
  "start-timeout": duration.prefault("30s"),
  "stop-timeout": duration.prefault("10s"),
};

const unit = z
  .string()
  .regex(/^[A-Za-z0-9:_.\\@-]+\.(service|socket|timer|target|path)$/, "as in web-server.service");

const RUNNERS = ["command", "systemd", "process"] as const;

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
    folder: filePath.optional().describe("Of a process: where it is started"),
    env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).default({}),
    ...timeouts,
  })
  .refine((value) => RUNNERS.filter((kind) => value[kind] !== undefined).length === 1, {
    message: `exactly one of ${RUNNERS.join(", ")}`,
  });

const target = z.strictObject({
  folder: filePath.describe("Has the releases as v1.2.0, and the links current, previous, factory"),
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
});

export const component = z.strictObject({
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
  files: z
    .array(filePath)
    .default([])
    .describe("Env files, units, proxy configuration: in every point, for a new machine"),
});

import * as z from "zod";
import { linesOf } from "../../config/load.ts";
import { knownCopies } from "../../operations/copy.ts";
import { listEvidence, readEvidence } from "../../operations/drill/evidence.ts";
import { judgeListed } from "../../operations/forget.ts";
import { home } from "../../operations/home.ts";
import { readCatalogue } from "../../operations/points/catalogue.ts";
import { status, undoableOf } from "../../operations/status.ts";
import { timeline } from "../../operations/timeline.ts";
import { AppError } from "../../base/errors.ts";
import { type Route, route } from "./route.ts";

const PAGE = 200;

const stamp = z.strictObject({ stamp: z.string().regex(/^[A-Za-z0-9]{4,64}$/) });
const id = z.strictObject({ id: z.string().regex(/^[A-Za-z0-9-]{1,64}$/) });
const component = z.strictObject({ component: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/) });
const page = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1000).default(PAGE),
  before: z.string().max(64).optional(),
});
const days = z.strictObject({ days: z.coerce.number().int().min(1).max(400).default(30) });

/** What can be looked at. */
export const READS: readonly Route[] = [
  route("get", "/home", {
    scope: "read",
    summary: "To what moment one can go back, in how long, and when that was last proven",
    handle: async (_, { system, run }) => await home(system, run),
  }),
  route("get", "/status", {
    scope: "read",
    summary: "How things stand, with the checks asked now",
    handle: async (_, { system, run }) => await status(system, run),
  }),
  route("get", "/points", {
    scope: "read",
    summary: "The recovery points as last seen, newest first, each with why it is kept",
    query: page,
    async handle({ query: { limit, before } }, { system }) {
      const catalogue = await readCatalogue(system);
      const judged = judgeListed(system, catalogue?.points ?? []).toReversed();
      const from = before === undefined ? judged : judged.filter((one) => one.stamp < before);
      const copies = await knownCopies(system);
      const points = from.slice(0, limit).map((point) => ({
        ...point,
        copies: Object.keys(copies).filter((name) => copies[name]!.includes(point.stamp)),
      }));
      return { seen: catalogue?.at, total: judged.length, points };
    },
  }),
  route("get", "/points/{stamp}", {
    scope: "read",
    summary: "What is in a point: stores, rows, files, releases, schemas",
    params: stamp,
    handle: async ({ params }, { ask }) => await ask(["show", params.stamp]),
  }),
  route("get", "/points/{stamp}/files", {
    scope: "operate",
    summary: "The files in a folder of a point",
    params: stamp,
    query: z.strictObject({
      path: z
        .string()
        .max(4096)
        .regex(/^[^\0]*$/)
        .default(""),
    }),
    handle: async ({ params, query }, { ask }) =>
      await ask(["show", params.stamp, "--files", `/${query.path.replace(/^\/+/, "")}`]),
  }),
  route("get", "/releases/{component}", {
    scope: "read",
    summary: "Releases of a component, each with whether it fits the data",
    params: component,
    handle: async ({ params }, { ask }) => await ask(["releases", params.component]),
  }),
  route("get", "/operations", {
    scope: "read",
    summary: "What was done, newest first",
    query: page,
    handle: ({ query: { limit, before } }, { system }) => ({
      operations: system.journal
        .page(limit, before)
        .map(({ setup: _, plan: __, ...facts }) => facts),
    }),
  }),
  route("get", "/operations/{id}", {
    scope: "read",
    summary: "One operation, with its plan and how far it came",
    params: id,
    handle({ params }, { system }) {
      const { setup: _, ...facts } = system.journal.read(params.id);
      return { ...facts, audit: system.journal.audit.of(params.id) };
    },
  }),
  route("get", "/undoable", {
    scope: "read",
    summary: "Operations that can be undone still, newest first",
    handle: async (_, { system, run }) => ({ undoable: await undoableOf(system, run) }),
  }),
  route("get", "/audit", {
    scope: "admin",
    summary: "The audit log, oldest first",
    query: z.strictObject({
      since: z.coerce.number().int().min(0).default(0),
      limit: z.coerce.number().int().min(1).max(1000).default(PAGE),
    }),
    handle: ({ query }, { system }) => ({
      entries: system.journal.audit.since(query.since, query.limit),
      head: system.journal.audit.head,
    }),
  }),
  route("get", "/drills", {
    scope: "read",
    summary: "Restore drills, newest first",
    query: z.strictObject({ limit: z.coerce.number().int().min(1).max(500).default(100) }),
    handle: async ({ query }, { system }) => ({ drills: await listEvidence(system, query.limit) }),
  }),
  route("get", "/drills/{id}", {
    scope: "read",
    summary: "The evidence of a drill, with its Markdown",
    params: id,
    async handle({ params }, { system }) {
      const { evidence, markdown } = await readEvidence(system, params.id);
      return { ...evidence, markdown };
    },
  }),
  route("get", "/timeline", {
    scope: "read",
    summary: "Releases, points, health, operations and incidents on one axis",
    query: days,
    handle: async ({ query }, { system, run }) => await timeline(system, query.days, run),
  }),
  route("get", "/config", {
    scope: "operate",
    summary: "The configuration as it is understood; secrets are references",
    handle: (_, { system }) => ({
      file: system.loaded.file,
      text: system.loaded.text,
      lines: linesOf(system.loaded.text),
      config: system.config,
    }),
  }),
  route("get", "/version", {
    scope: "read",
    summary: "Which lastgood answers, and for which system",
    handle: (_, { system, version }) => ({ version, system: system.name }),
  }),
  route("get", "/doctor", {
    scope: "read",
    summary: "What would go wrong in an emergency",
    async handle(_, { ask }) {
      const found = await ask(["doctor"]);
      if (found !== undefined) return found;
      throw new AppError("UNAVAILABLE", "doctor: no answer");
    },
  }),
];

import { readFile } from "node:fs/promises";
import path from "node:path";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import * as z from "zod";
import { exportedAt } from "../../operations/export.ts";
import { readCatalogue } from "../../operations/points/catalogue.ts";
import { type CommandEnd, failureOf } from "../../operations/runs/child.ts";
import type { System } from "../../operations/system.ts";
import type { Server } from "../api/context.ts";
import { problem, problemOf } from "../api/problem.ts";
import type { Env } from "../listen.ts";
import { onlyKnown } from "./only-known.ts";

const BODY_BYTES_MAX = 16 * 1024;
const WHO = "admin-backup";
const STAMP = /^\d{8}T\d{6}Z$/;

const flag = z.union([z.boolean(), z.stringbool()]);
/** What else a caller says is its own business. */
const request = z.looseObject({ include_chroma: flag.default(false) });

/**
 * The interface for backups that scripts of AtoCore call: POST and GET /admin/backup, and
 * GET /admin/backup/{stamp}/validate. It knows no tokens, so only listed addresses may speak with it, and no
 * page in a browser.
 */
export function adminBackupApi(server: Server): Hono<Env> {
  const { system } = server;
  const { allow, hosts } = system.config["admin-backup"]!;
  const app = new Hono<Env>();
  app.use(
    onlyKnown(allow, hosts, (context, why) => problem(context, 403, "forbidden", { detail: why })),
  );
  app.use(bodyLimit({ maxSize: BODY_BYTES_MAX, onError: (c) => problem(c, 413, "too long") }));
  let taking = false;
  app.post("/admin/backup", async (c) => {
    if (taking) {
      const detail = "A backup that was asked for here is under way.";
      return problem(c, 409, "somebody else is at work", { code: "LOCKED", detail });
    }
    taking = true;
    try {
      return await take(c, server);
    } finally {
      taking = false;
    }
  });
  app.get("/admin/backup", async (c) => c.json(await list(system)));
  app.get("/admin/backup/:stamp/validate", (c) => validate(c, server));
  app.notFound((c) =>
    problem(c, 404, "not found", {
      detail: `There is no ${c.req.method} ${c.req.path}.`,
      hint: "POST or GET /admin/backup, GET /admin/backup/STAMP/validate",
    }),
  );
  app.onError((error, c) => problemOf(c, error));
  return app;
}

async function take(context: Context<Env>, server: Server): Promise<Response> {
  const { system, runs, run } = server;
  const text = await context.req.text();
  const body = parse(text.trim() === "" ? "{}" : text);
  const query = context.req.query("include_chroma");
  const given =
    query === undefined ? body : { ...(body as Record<string, unknown>), include_chroma: query };
  const { data, error } = request.safeParse(given);
  if (data === undefined) {
    return problem(context, 422, "not a request", { detail: z.prettifyError(error) });
  }
  const { component } = system.config["admin-backup"]!;
  const command = [
    "backup",
    "--reason",
    "POST /admin/backup",
    ...(component === undefined ? [] : ["--component", component]),
    ...(data.include_chroma ? includes(system, component) : []),
  ];
  const ended = await runs.carryOut(command, WHO, run);
  const value = ended.value as { stamp: string; valid: boolean; errors: string[] } | undefined;
  if (value === undefined) return refused(context, command, ended);
  const answer = {
    ...(await metadataOf(system, value.stamp)),
    include_chroma: data.include_chroma,
  };
  const validated = { stamp: value.stamp, validated: value.valid, validation_errors: value.errors };
  // What cannot be restored from was not backed up, whatever was written.
  return context.json({ ...answer, ...validated }, value.valid ? 200 : 500);
}

/** Somebody else is at work, mostly an ingestion: that is no failure, but not now. */
function refused(context: Context<Env>, command: readonly string[], ended: CommandEnd): Response {
  const failure = failureOf(command, ended);
  if (failure.code !== "LOCKED") return problemOf(context, failure);
  const { message: detail, hint = "Try again later." } = failure;
  return problem(context, 409, "somebody else is at work", { code: "LOCKED", detail, hint });
}

/** Stores that are taken on request only: what is derived from others, such as an index. */
function includes({ components }: System, component: string | undefined): string[] {
  const names = components
    .filter(({ name }) => component === undefined || name === component)
    .flatMap(({ stores }) => stores)
    .filter(({ config }) => config.include === "on-request")
    .map(({ store }) => store.name);
  return names.length === 0 ? [] : ["--include", ...names];
}

/** Oldest first: whoever wants the newest takes the last. */
async function list(system: System): Promise<object> {
  const points = (await readCatalogue(system))?.points ?? [];
  const root = system.config.export?.at;
  return {
    backup_dir: root === undefined ? system.config.repository.at : backupDirectory(root),
    backups: await Promise.all(
      points.map(async ({ stamp, valid, errors }) => ({
        ...(await metadataOf(system, stamp)),
        stamp,
        validated: valid,
        validation_errors: errors,
      })),
    ),
  };
}

/** The layout is <backup_dir>/snapshots/<stamp>. */
function backupDirectory(exports: string): string {
  return path.basename(exports) === "snapshots" ? path.dirname(exports) : exports;
}

/** What lies with an exported point; of one that lies in the repository only, how to get it out. */
async function metadataOf(system: System, stamp: string): Promise<object> {
  const at = exportedAt(system, stamp);
  const text =
    at === undefined
      ? undefined
      : await readFile(path.join(at, "backup-metadata.json"), "utf8").catch(() => undefined);
  const created = stamp.replace(/^(....)(..)(..T..)(..)(..)Z$/, "$1-$2-$3:$4:$5Z");
  if (text !== undefined) return { created_at: created, ...(parse(text) as object) };
  const hint = `It lies in the repository: lastgood export ${stamp}`;
  return { created_at: created, backup_root: null, hint };
}

async function validate(context: Context<Env>, { system, ask }: Server): Promise<Response> {
  const stamp = context.req.param("stamp") ?? "";
  const points = (await readCatalogue(system))?.points ?? [];
  if (!STAMP.test(stamp) || !points.some((one) => one.stamp === stamp)) {
    const errors = ["snapshot_directory_missing"];
    const body = {
      type: "about:blank",
      title: "not found",
      status: 404,
      stamp,
      valid: false,
      errors,
    };
    return context.body(JSON.stringify(body), 404, { "content-type": "application/problem+json" });
  }
  return context.json((await ask(["validate", stamp])) as object);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The schema says what is wrong with it.
    return undefined;
  }
}

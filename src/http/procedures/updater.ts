import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import * as z from "zod";
import { AppError } from "../../base/errors.ts";
import { type Updater, UpdaterError } from "../../operations/updater/updater.ts";
import type { Env } from "../listen.ts";
import { onlyKnown } from "./only-known.ts";

const BODY_BYTES_MAX = 64 * 1024;

const version = z
  .string()
  .max(64)
  .regex(/^v?\d+\.\d+\.\d+$/);

const downloadRequest = z.object({
  version,
  package_url: z.url({ protocol: /^https?$/ }),
  package_name: z.string().min(1).max(255),
  package_size: z.int().positive(),
  package_md5: z.string().regex(/^[a-f0-9]{32}$/),
});

const updateRequest = z.object({ version });

/**
 * The interface of TOP.E's updater, as contracts/updater-api.yaml has it: the status is always 200,
 * and what it means stands in the body. It knows no tokens, so only listed addresses may speak with
 * it, and no page in a browser.
 */
export function updaterApi(
  updater: Updater,
  allowed: readonly string[],
  version_: string,
): Hono<Env> {
  const app = new Hono<Env>();
  app.use(onlyKnown(allowed, "any", (context, why) => context.json(answer(403, why), 403)));
  app.use(bodyLimit({ maxSize: BODY_BYTES_MAX, onError: (c) => c.json(answer(400, "Too long")) }));
  app.get("/", (c) => c.json({ status: "ok", service: "tope-updater", version: version_ }));
  app.get("/api/v1.0/progress", (c) => c.json(progress(updater)));
  app.post("/api/v1.0/download", (c) =>
    accept(c, downloadRequest, (body) => updater.download(body)),
  );
  app.post("/api/v1.0/update", (c) =>
    accept(c, updateRequest, (body) => updater.update(body.version)),
  );
  app.notFound((c) => c.json(answer(404, "Not found")));
  app.onError((error, c) => {
    if (error instanceof UpdaterError) return c.json(answer(error.code, error.message));
    const message = error instanceof AppError ? error.message : "Internal error";
    return c.json(answer(500, message));
  });
  return app;
}

async function accept<T>(
  context: Context<Env>,
  schema: z.ZodType<T>,
  act: (body: T) => Promise<void>,
): Promise<Response> {
  const value: unknown = await context.req.json().catch(() => undefined);
  const { data, error } = schema.safeParse(value);
  if (data === undefined) {
    const [issue] = error!.issues;
    return context.json(answer(400, `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`));
  }
  await act(data);
  return context.json({ code: 200, msg: "success", data: null });
}

function progress(updater: Updater): object {
  const { stage, progress: percent, message, error } = updater.state();
  const data = { stage, progress: percent, message, error };
  if (stage === "failed") {
    return { code: 500, msg: `Update failed: ${error}`, data, stage: "failed", progress: percent };
  }
  return { code: 200, msg: "success", data, stage: null, progress: null };
}

function answer(code: number, msg: string): object {
  return { code, msg, data: null };
}

import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { deleteCookie, setCookie } from "hono/cookie";
import * as z from "zod";
import { translateDiskError } from "../../base/disk-errors.ts";
import { AppError } from "../../base/errors.ts";
import { cut, redactUrl } from "../../base/redact.ts";
import { includes, type Scope, type Token, tokenOf } from "../../operations/tokens.ts";
import { consoleApp } from "../pages.ts";
import type { Env } from "../listen.ts";
import { metricsText } from "../metrics.ts";
import { cookieOf, isOwnHost, isOwnOrigin, whoAsks } from "./auth.ts";
import type { Server } from "./context.ts";
import { download } from "./download.ts";
import { events } from "./events.ts";
import { openapi } from "./openapi.ts";
import { problem, problemOf } from "./problem.ts";
import { READS } from "./reads.ts";
import type { Route } from "./route.ts";
import { WRITES } from "./writes.ts";

const BODY_BYTES_MAX = 256 * 1024;
const SESSION_S = 30 * 86_400;

/** THE list of what the API can be asked. */
const ROUTES: readonly Route[] = [...READS, ...WRITES];

/** The console, the API under /api/v1, its description, and the metrics. All data need a token. */
export function apiApp(server: Server): Hono<Env> {
  const { system, version } = server;
  const app = new Hono<Env>();
  app.use("*", async (context, next) => {
    if (!isOwnHost(context.req.header("host"), system)) {
      return problem(context, 421, "not this host", {
        detail: "It is not called by that name.",
        hint: "Name it under serve.hosts in lastgood.yaml.",
      });
    }
    const isSafe = ["GET", "HEAD", "OPTIONS"].includes(context.req.method);
    if (!isSafe && !isOwnOrigin(context)) {
      return problem(context, 403, "no page of another origin may");
    }
    await next();
    context.header("cache-control", "no-store");
    return undefined;
  });
  app.route("/", consoleApp());
  app.use("*", bodyLimit({ maxSize: BODY_BYTES_MAX, onError: (c) => problem(c, 413, "too long") }));
  app.get("/openapi.json", (c) => c.json(openapi(ROUTES, version)));
  sessions(app, server);
  app.get("/api/v1/events", async (c) => {
    const token = await whoAsks(c, system);
    if (token === undefined) return refused(c);
    return await events(c, server, async () => (await whoAsks(c, system)) !== undefined);
  });
  app.get("/metrics", async (c) => {
    const token = await whoAsks(c, system);
    if (token === undefined) return refused(c);
    return c.text(await metricsText(server), 200, { "content-type": "text/plain; version=0.0.4" });
  });
  app.get("/api/v1/points/:stamp/file", async (c) => {
    const token = await whoAsks(c, system);
    if (token === undefined) return refused(c);
    return includes(token.scope, "operate")
      ? await download(c, server, token.name)
      : tooLittle(c, token, "operate");
  });
  for (const route of ROUTES) {
    const path = `/api/v1${route.path.replaceAll(/\{(\w+)\}/g, ":$1")}`;
    app.on(route.method.toUpperCase(), path, async (c) => await answer(c, route, server));
  }
  app.notFound((c) => {
    const { pathname } = new URL(c.req.url);
    const allowed = methodsAt(pathname);
    if (allowed === "") return problem(c, 404, "not found", { detail: `There is no ${pathname}.` });
    c.header("allow", allowed);
    const detail = `${pathname} takes ${allowed}, not ${c.req.method}.`;
    return problem(c, 405, "method not allowed", { detail });
  });
  app.onError((error, c) => {
    if (!(translateDiskError(error, "answer") instanceof AppError)) {
      server.run.report({ type: "warning", message: String(error.stack) });
    }
    return problemOf(c, error);
  });
  return app;
}

/** What a path of the API may be asked with, as the header Allow has it; empty: there is no such path. */
function methodsAt(pathname: string): string {
  const isAt = ({ path }: Route): boolean =>
    new RegExp(`^/api/v1${path.replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(pathname);
  return ROUTES.filter(isAt)
    .map(({ method }) => method.toUpperCase())
    .join(", ");
}

/** Logging in and out, of the console. */
function sessions(app: Hono<Env>, server: Server): void {
  const { system } = server;
  app.post("/api/v1/session", (c) => logIn(c, server));
  app.delete("/api/v1/session", (c) => {
    deleteCookie(c, cookieOf(system), { path: "/" });
    return c.json({});
  });
  app.get("/api/v1/session", async (c) => {
    const token = await whoAsks(c, system);
    if (token === undefined) return refused(c);
    return c.json({ name: token.name, scope: token.scope });
  });
}

const refused = (context: Context<Env>): Response => {
  context.header("www-authenticate", "Bearer");
  return problem(context, 401, "no token that is known", { hint: "lastgood token add NAME" });
};

const tooLittle = (context: Context<Env>, { name, scope }: Token, needed: Scope): Response =>
  problem(context, 403, "the token does not suffice", {
    detail: `${name} may ${scope}; this needs ${needed}.`,
  });

async function answer(context: Context<Env>, route: Route, server: Server): Promise<Response> {
  const token = await whoAsks(context, server.system);
  if (token === undefined) return refused(context);
  if (!includes(token.scope, route.scope)) return tooLittle(context, token, route.scope);
  const params = check(route.params, context.req.param());
  if ("wrong" in params) return problem(context, 404, "not found", { detail: params.wrong });
  const query = check(route.query, single(context.req.queries()));
  if ("wrong" in query) return problem(context, 400, "not a query", { detail: query.wrong });
  const body = await bodyOf(context, route);
  if (body instanceof Response) return body;
  const asked = { params: params.value, query: query.value, body, who: token.name } as never;
  const value = (await route.handle(asked, server)) ?? {};
  if (route.method !== "get" && !route.path.startsWith("/plan/")) {
    const { system } = server;
    const request = `${context.req.method} ${new URL(context.req.url).pathname}`;
    const at = system.host.clock.now().toISOString();
    try {
      system.journal.audit.addRequest(at, token.name, request, { body: recordedBody(body) });
    } catch (error) {
      // What was begun was begun; a full disk is no reason to say otherwise.
      const message = `audit log: ${(error as Error).message}`;
      server.run.report({ type: "warning", message });
    }
  }
  return context.json(value, route.status);
}

const RECORDED_MAX = 2000;

/** As much as says what it was, and no secret that somebody put into a URL. */
function recordedBody(body: unknown): string {
  const text = JSON.stringify(body, (_, value: unknown) =>
    typeof value === "string" ? redactUrl(value) : value,
  ) as string | undefined;
  return cut(text ?? "", RECORDED_MAX);
}

type Checked = { readonly value: unknown } | { readonly wrong: string };

function check(schema: z.ZodType | undefined, value: unknown): Checked {
  const { data, error } = (schema ?? z.strictObject({})).safeParse(value);
  return error === undefined ? { value: data } : { wrong: z.prettifyError(error) };
}

/** Twice the same is a mistake, and shows as a list where none may be. */
function single(queries: Record<string, string[]>): Record<string, string | string[]> {
  const entries = Object.entries(queries).map(([name, all]) => [
    name,
    all.length === 1 ? all[0]! : all,
  ]);
  return Object.fromEntries(entries) as Record<string, string | string[]>;
}

/** What was sent, checked; or the answer to what cannot be read. */
async function bodyOf(context: Context<Env>, { body: schema }: Route): Promise<unknown> {
  if (schema === undefined) return undefined;
  const type = context.req.header("content-type") ?? "";
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    return problem(context, 415, "not JSON", { detail: "Send content-type: application/json." });
  }
  const text = await context.req.text();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return problem(context, 400, "not JSON", { detail: (error as Error).message });
  }
  const checked = check(schema, value);
  return "wrong" in checked
    ? problem(context, 400, "not a request", { detail: checked.wrong })
    : checked.value;
}

const login = z.strictObject({ token: z.string().max(200) });

/** Has the browser keep the token where no script can read it. */
async function logIn(context: Context<Env>, { system }: Server): Promise<Response> {
  const value: unknown = await context.req.json().catch(() => undefined);
  const { data } = login.safeParse(value);
  const token = data === undefined ? undefined : await tokenOf(system, data.token.trim());
  if (token === undefined) return refused(context);
  const isEncrypted = context.req.header("x-forwarded-proto") === "https";
  setCookie(context, cookieOf(system), data!.token.trim(), {
    path: "/",
    httpOnly: true,
    sameSite: "Strict",
    secure: isEncrypted,
    maxAge: SESSION_S,
  });
  return context.json({ name: token.name, scope: token.scope });
}

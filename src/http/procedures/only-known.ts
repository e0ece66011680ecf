import type { Context, Next } from "hono";
import { isNamed } from "../api/auth.ts";
import type { Env } from "../listen.ts";

/**
 * For interfaces that know no tokens: only listed addresses may speak with them, under names that are ours
 * (`hosts`: "any" where callers may use any), and no page in a browser, whoever has opened it.
 */
export function onlyKnown(
  allowed: readonly string[],
  hosts: readonly string[] | "any",
  refuse: (context: Context<Env>, why: string) => Response,
): (context: Context<Env>, next: Next) => Promise<Response | undefined> {
  return async (context, next) => {
    const address = context.env.incoming.socket.remoteAddress?.replace(/^::ffff:/, "") ?? "";
    if (!allowed.includes(address)) return refuse(context, "This address may not");
    // A browser says with each request from where it comes; programs do not.
    const site = context.req.header("sec-fetch-site") ?? "none";
    if (context.req.header("origin") !== undefined || site !== "none") {
      return refuse(context, "No page in a browser may");
    }
    if (hosts !== "any" && !isNamed(context.req.header("host"), hosts)) {
      return refuse(context, "It is not called by that name: see hosts");
    }
    await next();
    return undefined;
  };
}

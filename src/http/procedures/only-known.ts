import type { Context, Next } from "hono";
import type { Env } from "../listen.ts";

/**
 * For interfaces that know no tokens: only listed addresses may speak with them, and no page in a browser,
 * whoever has opened it.
 */
export function onlyKnown(
  allowed: readonly string[],
  refuse: (context: Context<Env>, why: string) => Response,
): (context: Context<Env>, next: Next) => Promise<Response | undefined> {
  return async (context, next) => {
    const address = context.env.incoming.socket.remoteAddress?.replace(/^::ffff:/, "") ?? "";
    if (!allowed.includes(address)) return refuse(context, "This address may not");
    if (context.req.header("origin") !== undefined) {
      return refuse(context, "No page in a browser may");
    }
    await next();
    return undefined;
  };
}

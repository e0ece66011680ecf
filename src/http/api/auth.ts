import { isIP } from "node:net";
import type { Context } from "hono";
import { getCookie } from "hono/cookie";
import { type Token, tokenOf } from "../../operations/tokens.ts";
import type { System } from "../../operations/system.ts";
import type { Env } from "../listen.ts";

/**
 * The console's own: no script can read it, and no other site can have it sent. Cookies know no ports, so
 * several systems of a machine have names of their own.
 */
export const cookieOf = ({ name }: System): string => `lastgood-${name}`;

/** Whose request it is; undefined: nobody's that is known. A token never stands in a URL. */
export async function whoAsks(context: Context<Env>, system: System): Promise<Token | undefined> {
  const [, bearer] = /^Bearer (\S+)$/i.exec(context.req.header("authorization") ?? "") ?? [];
  if (bearer !== undefined) return await tokenOf(system, bearer);
  const cookie = getCookie(context, cookieOf(system));
  return cookie === undefined ? undefined : await tokenOf(system, cookie);
}

/**
 * Whether a name is one of ours: a page of somebody else's whose name was made to lead here (DNS rebinding)
 * calls us by its own. Addresses cannot be made to lead anywhere.
 */
export function isOwnHost(host: string | undefined, { config }: System): boolean {
  return isNamed(host, config.serve.hosts);
}

/** An address, this machine itself, or one of the names. */
export function isNamed(host: string | undefined, hosts: readonly string[]): boolean {
  if (host === undefined) return false;
  const name = host.replace(/:\d+$/, "").replaceAll(/[[\]]/g, "").toLowerCase();
  const isKnown = hosts.some((own) => [host, name].includes(own.toLowerCase()));
  return isKnown || name === "localhost" || isIP(name) !== 0;
}

/** Whether a page may have sent it: one of ours, or no page at all. */
export function isOwnOrigin(context: Context<Env>): boolean {
  const origin = context.req.header("origin");
  if (origin === undefined) return context.req.header("sec-fetch-site") !== "cross-site";
  try {
    return new URL(origin).host === context.req.header("host");
  } catch {
    // "null", of a page in a sandbox.
    return false;
  }
}

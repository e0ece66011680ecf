import type * as z from "zod";
import type { Scope } from "../../operations/tokens.ts";
import type { Server } from "./context.ts";

export type Method = "get" | "post" | "patch" | "delete";

/** What a route is asked, checked. */
export type Asked<P, Q, B> = {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** The name of the token. */
  readonly who: string;
};

type Shape = z.ZodObject;
type Nothing = Readonly<Record<string, never>>;

/** One thing that the API can be asked: served, checked and described from here. */
export type Route = {
  readonly method: Method;
  /** As in "/points/{stamp}". */
  readonly path: string;
  readonly scope: Scope;
  readonly summary: string;
  readonly params: Shape | undefined;
  readonly query: Shape | undefined;
  readonly body: z.ZodType | undefined;
  readonly status: 200 | 202;
  readonly handle: (asked: Asked<never, never, never>, server: Server) => unknown;
};

type Described<P extends Shape, Q extends Shape, B extends z.ZodType> = {
  readonly scope: Scope;
  readonly summary: string;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly status?: 200 | 202;
  readonly handle: (asked: Asked<z.output<P>, z.output<Q>, z.output<B>>, server: Server) => unknown;
};

export function route<
  P extends Shape = z.ZodObject<Nothing>,
  Q extends Shape = z.ZodObject<Nothing>,
  B extends z.ZodType = z.ZodUndefined,
>(method: Method, path: string, described: Described<P, Q, B>): Route {
  const { params, query, body, status = 200, ...others } = described;
  // What each handles is known to it alone; the table calls all of them in the same way.
  const made: unknown = { method, path, params, query, body, status, ...others };
  return made as Route;
}

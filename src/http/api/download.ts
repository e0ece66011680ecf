import { createReadStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import type { Context } from "hono";
import { failureOf } from "../../operations/runs/child.ts";
import { newOperationId } from "../../operations/record.ts";
import type { Env } from "../listen.ts";
import type { Server } from "./context.ts";
import { problem } from "./problem.ts";

const STAMP = /^[A-Za-z0-9]{4,64}$/;
const PATH_CHARACTERS_MAX = 4096;

/** One file of a point. It is taken out by a command of its own, and gone once it was sent. */
export async function download(
  context: Context<Env>,
  { system, runs, run }: Server,
  who: string,
): Promise<Response> {
  const stamp = context.req.param("stamp") ?? "";
  const file = context.req.query("path") ?? "";
  if (!STAMP.test(stamp)) return problem(context, 404, "not found");
  if (!file.startsWith("/") || file.length > PATH_CHARACTERS_MAX || file.includes("\0")) {
    return problem(context, 400, "not a query", {
      detail: "path: as in /stores/app/uploads/a.pdf",
    });
  }
  const to = path.join(system.paths.temporary, `download-${newOperationId(system)}`);
  const command = ["show", stamp, "--file", file, "--to", to];
  try {
    const ended = await runs.carryOut(command, who, run);
    if (ended.exit !== 0) throw failureOf(command, ended);
    const { size } = await stat(to);
    const stream = createReadStream(to);
    // Open files stay readable; whatever becomes of us, nothing is left.
    await new Promise((resolve) => stream.once("ready", () => resolve(undefined)));
    return context.body(Readable.toWeb(stream) as ReadableStream, 200, {
      "content-type": "application/octet-stream",
      "content-length": String(size),
      "content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(path.basename(file))}`,
      // What somebody stored must never run as a page of ours.
      "content-security-policy": "sandbox; default-src 'none'",
    });
  } finally {
    await rm(to, { force: true });
  }
}

import { readFileSync } from "node:fs";
import path from "node:path";
import { Hono } from "hono";
import { secureHeaders } from "hono/secure-headers";
import type { Env } from "./listen.ts";

/** Where the console's own build lies: beside src in a clone, beside dist in the package. */
const FOLDER = path.resolve(import.meta.dirname, "../../console/dist");

const FILES = {
  "/": { file: "index.html", type: "text/html; charset=utf-8" },
  "/console.js": { file: "console.js", type: "text/javascript; charset=utf-8" },
  "/console.css": { file: "console.css", type: "text/css; charset=utf-8" },
  "/icon.svg": { file: "icon.svg", type: "image/svg+xml" },
} as const;

const NOT_BUILT = "The console is not built. In a clone: npm run build:console\n";

/** The console: a few files, which load nothing from anywhere else. Its pages need no token, its data do. */
export function consoleApp(): Hono<Env> {
  const app = new Hono<Env>();
  app.use(
    "*",
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
      xFrameOptions: "DENY",
      referrerPolicy: "no-referrer",
      crossOriginResourcePolicy: "same-origin",
      // Whether it is reached by TLS only, whoever puts it behind a proxy knows.
      strictTransportSecurity: false,
    }),
  );
  for (const [route, { file, type }] of Object.entries(FILES)) {
    app.get(route, (c) => {
      const bytes = read(file);
      if (bytes === undefined) return c.text(NOT_BUILT, 503);
      return c.body(bytes, 200, { "content-type": type, "cache-control": "no-cache" });
    });
  }
  return app;
}

function read(file: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return new Uint8Array(readFileSync(path.join(FOLDER, file)));
  } catch {
    // It was not built.
    return undefined;
  }
}

// Builds the console into dist/: four files, which load nothing from anywhere else.
import { copyFile, mkdir } from "node:fs/promises";
import path from "node:path";

// With `npm ci --omit=dev` there is none: everything but the console works.
const esbuild = await import("esbuild").catch(() => undefined);
if (esbuild === undefined) {
  process.stderr.write("The console is not built: that needs the development dependencies.\n");
  process.exit(0);
}

const here = import.meta.dirname;
const out = path.join(here, "dist");
await mkdir(out, { recursive: true });
await esbuild.build({
  entryPoints: [path.join(here, "src/console.tsx"), path.join(here, "src/console.css")],
  outdir: out,
  bundle: true,
  minify: true,
  target: "es2023",
  format: "esm",
  jsx: "automatic",
  jsxImportSource: "preact",
  logLevel: "warning",
});
for (const file of ["index.html", "icon.svg"]) {
  await copyFile(path.join(here, "src", file), path.join(out, file));
}

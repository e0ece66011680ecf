import path from "node:path";
import { stringify } from "yaml";

/** The demo's lastgood.yaml: a database, a registry, vectors, and how the application is run. */
export function demoConfig(folder: string): string {
  const suffix = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const control = path.join(import.meta.dirname, `control.${suffix}`);
  const verb = (word: string): string[] => [process.execPath, control, folder, word];
  return stringify({
    system: "demo",
    repository: { at: "repository", password: { file: "key" } },
    components: {
      app: {
        run: { command: { start: verb("start"), stop: verb("stop"), alive: verb("alive") } },
        stores: {
          db: { sqlite: "data/app.db" },
          registry: { file: "data/registry.json", format: "json" },
          vectors: { folder: "data/vectors" },
        },
        checks: { alive: { runner: true } },
        verify: { "healthy-for": "500ms" },
      },
    },
  });
}

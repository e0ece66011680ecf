// Writes lastgood.schema.json, which editors use to complete and check lastgood.yaml.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { configJsonSchema } from "../src/config/json-schema.ts";

const file = path.join(import.meta.dirname, "../lastgood.schema.json");
writeFileSync(file, `${JSON.stringify(configJsonSchema(), undefined, 2)}\n`);

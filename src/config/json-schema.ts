import * as z from "zod";
import { configSchema } from "./schema.ts";

/** The schema that editors use to complete and check lastgood.yaml. */
export function configJsonSchema(): object {
  return z.toJSONSchema(configSchema, { io: "input", unrepresentable: "any" });
}

import { CronPattern } from "croner";
import * as z from "zod";
import { parseDuration, parseSize } from "../units.ts";

// What values may look like, wherever they stand in lastgood.yaml.

export const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, "small letters, digits, - and _, at most 64");

export const webUrl = z.url({
  protocol: /^https?$/,
  error: "an address such as http://127.0.0.1:8080/health",
});

export const filePath = z.string().min(1).describe("Absolute, or relative to lastgood.yaml");

export const duration = z
  .string()
  .refine((text) => parseDuration(text) !== undefined, "a duration such as 500ms, 30s, 10m or 90d")
  .transform((text) => parseDuration(text)!);

export const command = z
  .tuple([z.string().min(1)], z.string())
  .describe("A program and its arguments, as a list: never a shell line");

export const secret = z
  .union([
    z.strictObject({ file: filePath }),
    z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) }),
    z.strictObject({ command }),
  ])
  .describe("Where a secret stands: { file: … }, { env: … } or { command: […] }; never the secret");

export const count = z.union([z.int().min(0), z.literal("all")]);

export const size = z
  .string()
  .refine((text) => parseSize(text) !== undefined, "a size such as 64KiB, 500MB or 2GiB")
  .transform((text) => parseSize(text)!);

/** Five fields, as crontab(5) has them. */
export const cron = z.string().refine((text) => {
  try {
    return new CronPattern(text, undefined, { mode: "5-part" }).minute.includes(1);
  } catch {
    return false;
  }
}, 'five fields of cron, as in "0 3 * * *"');

import * as z from "zod";
import { listen } from "./serve.ts";
import { filePath, name, webUrl } from "./values.ts";

export const updater = z.strictObject({
  component: name.describe("Whose releases it deploys"),
  listen: listen.default("127.0.0.1:12315"),
  auth: z.literal("none").describe("This interface knows no tokens; say that you know that"),
  allow: z
    .array(z.union([z.ipv4(), z.ipv6()]))
    .default(["127.0.0.1", "::1"])
    .describe("Addresses that may speak with it"),
  report: webUrl.optional().describe("Where each change of its state is posted"),
  log: filePath.optional().describe("Where it writes its lines, up to four files of 10 MB"),
});

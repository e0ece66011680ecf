import * as z from "zod";
import { name } from "./values.ts";

export const listen = z.string().regex(/^(\[[0-9a-f:]+\]|[^:[\]]+):\d{1,5}$/i, "address:port");

const address = z.union([z.ipv4(), z.ipv6()]);

const hosts = z.array(z.string().regex(/^[a-z0-9.-]+(:\d{1,5})?$/i, "a host name")).default([]);

export const serve = z.strictObject({
  listen: listen.default("127.0.0.1:7420").describe("Of the console and the API"),
  hosts: hosts.describe(
    "Names besides that address under which it is called, by a proxy with TLS, say",
  ),
});

export const adminBackup = z.strictObject({
  listen: listen.default("127.0.0.1:8100"),
  component: name.optional().describe("Whose stores it backs up; by default everything"),
  auth: z.literal("none").describe("This interface knows no tokens; say that you know that"),
  hosts: hosts.describe("Names besides addresses and localhost under which it is called"),
  allow: z
    .array(address)
    .default(["127.0.0.1", "::1"])
    .describe("Addresses that may speak with it"),
});

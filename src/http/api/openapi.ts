import * as z from "zod";
import type { Route } from "./route.ts";

const PROBLEM = {
  type: "object",
  required: ["type", "title", "status"],
  properties: {
    type: { type: "string" },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string" },
    code: { type: "string" },
    hint: { type: "string" },
  },
} as const;

/** The description of the API (OpenAPI 3.1), made of the routes themselves. */
export function openapi(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const one of routes) {
    paths[`/api/v1${one.path}`] = { ...paths[`/api/v1${one.path}`], [one.method]: operation(one) };
  }
  paths["/api/v1/points/{stamp}/file"] = { get: DOWNLOAD };
  paths["/api/v1/events"] = { get: EVENTS };
  return {
    openapi: "3.1.0",
    info: { title: "lastgood", version, license: { name: "Apache-2.0" } },
    servers: [{ url: "/" }],
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: { Problem: PROBLEM },
      responses: {
        Problem: {
          description: "What could not be done to what, and what to do next (RFC 9457)",
          content: {
            "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
          },
        },
      },
    },
  };
}

function operation({ method, path, scope, summary, params, query, body, status }: Route): object {
  const parameters = [...parametersOf(params, "path"), ...parametersOf(query, "query")];
  return {
    operationId: `${method}${path.replaceAll(/[^A-Za-z0-9]+(.)?/g, (_, next?: string) => (next ?? "").toUpperCase())}`,
    summary,
    description: `Needs a token of scope \`${scope}\` or above.`,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { "application/json": { schema: schemaOf(body) } },
          },
        }),
    responses: {
      [status]: {
        description: status === 202 ? "It has begun" : "The answer",
        content: JSON_ANSWER,
      },
      default: { $ref: "#/components/responses/Problem" },
    },
  };
}

const JSON_ANSWER = { "application/json": { schema: { type: "object" } } };

const EVENTS = {
  operationId: "getEvents",
  summary: "Everything that happens, as Server-Sent Events; resumes after Last-Event-ID",
  description: "Needs a token of scope `read` or above.",
  parameters: [{ name: "Last-Event-ID", in: "header", schema: { type: "string" } }],
  responses: {
    200: {
      description: "A stream",
      content: { "text/event-stream": { schema: { type: "string" } } },
    },
    default: { $ref: "#/components/responses/Problem" },
  },
};

const DOWNLOAD = {
  operationId: "getPointsStampFile",
  summary: "One file of a point",
  description: "Needs a token of scope `operate` or above.",
  parameters: [
    { name: "stamp", in: "path", required: true, schema: { type: "string" } },
    { name: "path", in: "query", required: true, schema: { type: "string" } },
  ],
  responses: {
    200: {
      description: "The file",
      content: { "application/octet-stream": { schema: { type: "string", format: "binary" } } },
    },
    default: { $ref: "#/components/responses/Problem" },
  },
};

function parametersOf(shape: z.ZodObject | undefined, where: "path" | "query"): object[] {
  if (shape === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(shape) as {
    properties?: Record<string, object>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: where,
    required: where === "path" || required.includes(name),
    schema,
  }));
}

function schemaOf(type: z.ZodType): object {
  const { $schema: _, ...schema } = z.toJSONSchema(type, { io: "input" }) as Record<
    string,
    unknown
  >;
  return schema;
}

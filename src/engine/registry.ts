import * as z from "zod";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { parseImageName } from "./image-name.ts";

/** One tag of an image in a registry. */
export type Tag = {
  readonly tag: string;
  readonly digest: string | undefined;
  /** When it was made; undefined when the registry does not say. */
  readonly created: string | undefined;
};

export type RegistryAccess = {
  readonly user?: string | undefined;
  readonly password?: string | undefined;
};

const CALL_MS = 15_000;
const TAGS_MAX = 1000;
const AT_ONCE = 8;
const TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

/**
 * The tags that a registry has of an image, by the OCI distribution API. UNAVAILABLE when it does
 * not answer, REFUSED when it wants another user, NOT_FOUND without such an image.
 */
export async function tagsIn(image: string, access: RegistryAccess, run: Run): Promise<Tag[]> {
  const { registry, repository } = parseImageName(image);
  if (registry === undefined) return [];
  try {
    return await allTags(registry, repository, access, run);
  } catch (error) {
    run.signal.throwIfAborted();
    if (error instanceof AppError) throw error;
    const message = `ask registry ${registry}: ${(error as Error).message}`;
    throw new AppError("UNAVAILABLE", message, { cause: error });
  }
}

async function allTags(
  registry: string,
  repository: string,
  access: RegistryAccess,
  run: Run,
): Promise<Tag[]> {
  const call = caller(registry, repository, access, run);
  const tags: string[] = [];
  let next: string | undefined = `/v2/${repository}/tags/list?n=100`;
  while (next !== undefined && tags.length < TAGS_MAX) {
    const response: Response = await call(next);
    tags.push(...(TAG_LIST.parse(await response.json()).tags ?? []));
    next = nextPage(response.headers.get("link"));
  }
  const found: Tag[] = [];
  for (let at = 0; at < tags.length; at += AT_ONCE) {
    const some = tags.slice(at, at + AT_ONCE);
    found.push(...(await Promise.all(some.map((tag) => describeTag(repository, tag, call)))));
  }
  return found;
}

type Call = (path: string, method?: "GET" | "HEAD") => Promise<Response>;

const TAG_LIST = z.object({ tags: z.array(z.string()).nullish() });
const MANIFEST = z.object({
  config: z.object({ digest: z.string() }).optional(),
  manifests: z.array(z.object({ digest: z.string() })).optional(),
});
const CONFIG = z.object({ created: z.string().optional() });

/** The rest may be unknown: that a tag is there is what counts. */
async function describeTag(repository: string, tag: string, call: Call): Promise<Tag> {
  try {
    const response = await call(`/v2/${repository}/manifests/${tag}`);
    const digest = response.headers.get("docker-content-digest") ?? undefined;
    const { config, manifests } = MANIFEST.parse(await response.json());
    const one = config ?? (await configOf(repository, manifests?.[0]?.digest, call));
    const created =
      one === undefined
        ? undefined
        : CONFIG.parse(await (await call(`/v2/${repository}/blobs/${one.digest}`)).json()).created;
    return { tag, digest, created };
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    return { tag, digest: undefined, created: undefined };
  }
}

/** Of an image for several machines the first tells when all were made. */
async function configOf(
  repository: string,
  digest: string | undefined,
  call: Call,
): Promise<{ digest: string } | undefined> {
  if (digest === undefined) return undefined;
  const response = await call(`/v2/${repository}/manifests/${digest}`);
  return MANIFEST.parse(await response.json()).config;
}

/** As the Link header of RFC 5988 has it; only a path, since it must not lead elsewhere. */
function nextPage(link: string | null): string | undefined {
  const [, target] = /<([^>]+)>;\s*rel="?next"?/.exec(link ?? "") ?? [];
  if (target === undefined) return undefined;
  const url = new URL(target, "http://registry.invalid");
  return `${url.pathname}${url.search}`;
}

function caller(registry: string, repository: string, access: RegistryAccess, run: Run): Call {
  const isLocal = /^(localhost|127\.\d+\.\d+\.\d+)(:\d+)?$/.test(registry);
  const base = `${isLocal ? "http" : "https"}://${registry}`;
  let authorization = access.user === undefined ? undefined : basic(access);
  const ask = async (url: string, method: string): Promise<Response> => {
    const headers = { accept: TYPES, ...(authorization === undefined ? {} : { authorization }) };
    const signal = AbortSignal.any([run.signal, AbortSignal.timeout(CALL_MS)]);
    return await fetch(url, { method, headers, signal }).catch((error: unknown) => {
      run.signal.throwIfAborted();
      const why = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      throw new AppError("UNAVAILABLE", `ask registry ${registry}: ${(why as Error).message}`, {
        hint: "What is on this machine can be deployed without it.",
      });
    });
  };
  return async (path, method = "GET") => {
    let response = await ask(`${base}${path}`, method);
    const challenge = response.headers.get("www-authenticate");
    if (response.status === 401 && challenge?.toLowerCase().startsWith("bearer") === true) {
      authorization = await fetchToken(challenge, repository, access, run);
      response = await ask(`${base}${path}`, method);
    }
    if (response.ok) return response;
    const what = `ask registry ${registry} for ${repository}: status ${response.status}`;
    if (response.status === 404) throw new AppError("NOT_FOUND", what);
    if (response.status === 401 || response.status === 403) {
      throw new AppError("REFUSED", what, {
        hint: "Say who you are: target.registry: { user: …, password: { file: … } }",
      });
    }
    throw new AppError("UNAVAILABLE", what);
  };
}

function basic({ user = "", password = "" }: RegistryAccess): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

const TOKEN = z.object({ token: z.string().optional(), access_token: z.string().optional() });

/** https://distribution.github.io/distribution/spec/auth/token/ */
async function fetchToken(
  challenge: string,
  repository: string,
  access: RegistryAccess,
  run: Run,
): Promise<string> {
  const parts = new Map(
    [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key!, value!]),
  );
  const url = new URL(parts.get("realm") ?? "");
  url.searchParams.set("service", parts.get("service") ?? "");
  url.searchParams.set("scope", `repository:${repository}:pull`);
  const isSafe = url.protocol === "https:" || /^(localhost|127\.)/.test(url.hostname);
  if (!isSafe) throw new AppError("REFUSED", `ask ${url.host} for a token: it is not https`);
  const response = await fetch(url, {
    headers: access.user === undefined ? {} : { authorization: basic(access) },
    signal: AbortSignal.any([run.signal, AbortSignal.timeout(CALL_MS)]),
  }).catch((error: unknown) => {
    throw new AppError("UNAVAILABLE", `ask ${url.host} for a token: ${(error as Error).message}`);
  });
  if (!response.ok) {
    throw new AppError("REFUSED", `ask ${url.host} for a token: status ${response.status}`, {
      hint: "Say who you are: target.registry: { user: …, password: { file: … } }",
    });
  }
  const { token, access_token: other } = TOKEN.parse(await response.json());
  return `Bearer ${token ?? other ?? ""}`;
}

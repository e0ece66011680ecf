import { createHash } from "node:crypto";
import os from "node:os";
import path from "node:path";
import type { Backend } from "../../backends/backend.ts";
import { isS3, parseS3 } from "../../backends/s3-place.ts";
import { isSftp, parseSftp } from "../../backends/sftp-place.ts";
import { systemClock } from "../../base/clock.ts";
import type { Run } from "../../base/events.ts";
import type { Config } from "../../config/schema.ts";
import { readSecret } from "../../config/secrets.ts";
import { BACKENDS } from "../../plugins.ts";

export type RepositoryConfig = Config["repository"];
type Env = Readonly<Record<string, string | undefined>>;

const MODES = { governance: "GOVERNANCE", compliance: "COMPLIANCE" } as const;

/** Opens the place of a repository; `spoolIn` is where files lie that are on their way there. */
export async function openBackend(
  { at, s3, sftp }: RepositoryConfig,
  spoolIn: string | undefined,
  env: Env,
  run: Run,
): Promise<Backend> {
  const own = createHash("sha256").update(at).digest("hex").slice(0, 16);
  const spoolFolder = path.join(spoolIn ?? path.join(os.tmpdir(), "lastgood"), "spool", own);
  if (isSftp(at)) {
    const { identity, "known-hosts": knownHosts } = sftp ?? {};
    return await BACKENDS.sftp({ ...parseSftp(at), identity, knownHosts, spoolFolder });
  }
  if (!isS3(at) || s3 === undefined) return await BACKENDS.folder(at);
  return await BACKENDS.s3({
    ...parseS3(at, s3.tls),
    accessKey: await readSecret(s3["access-key"], env, run),
    secretKey: await readSecret(s3["secret-key"], env, run),
    region: s3.region,
    now: systemClock.now,
    lock: s3.lock === undefined ? undefined : { mode: MODES[s3.lock.mode], forMs: s3.lock.for },
    spoolFolder,
  });
}

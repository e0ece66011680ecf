import path from "node:path";
import type { RepositoryConfig } from "../operations/open/backend.ts";

/**
 * A repository and the file of its password, as flags name them. Who we are in S3 stands in the
 * environment, where all tools for S3 look for it; of SFTP ssh knows it.
 */
export function repositoryOfFlags(
  at: string,
  passwordFile: string,
  folder: string,
): RepositoryConfig {
  const password = { file: path.resolve(folder, passwordFile) };
  if (at.startsWith("sftp://")) return { at, password };
  if (!at.startsWith("s3://")) return { at: path.resolve(folder, at), password };
  const s3 = {
    "access-key": { env: "AWS_ACCESS_KEY_ID" },
    "secret-key": { env: "AWS_SECRET_ACCESS_KEY" },
    region: "us-east-1",
  };
  return { at, password, s3 };
}

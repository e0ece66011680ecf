import type { S3Client } from "@aws-sdk/client-s3";

/** Who we are where. */
export type S3Access = {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
  /** So long nothing may move on a connection. Default: 30 s. */
  readonly silentMs?: number | undefined;
};

const ATTEMPTS_MAX = 6;
const CONNECT_MS_MAX = 10_000;
export const SILENT_MS_MAX = 30_000;
export const SOCKETS_MAX = 16;

/** As all of lastgood speaks with S3: by path, and with no checksum that others do not know. */
export function clientFor(
  sdk: typeof import("@aws-sdk/client-s3"),
  { endpoint, region, accessKey, secretKey, silentMs = SILENT_MS_MAX }: S3Access,
): S3Client {
  return new sdk.S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    maxAttempts: ATTEMPTS_MAX,
    retryMode: "standard",
    // Servers that are not Amazon's answer 411 to its own checksums; the signature covers the body.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: {
      connectionTimeout: CONNECT_MS_MAX,
      // Only silence has a limit: a `requestTimeout` would end each upload that is slower than it.
      socketTimeout: silentMs,
      // An object that nobody reads yet holds one, while its tags are asked for with another.
      httpAgent: { maxSockets: 4 * SOCKETS_MAX, keepAlive: true },
      httpsAgent: { maxSockets: 4 * SOCKETS_MAX, keepAlive: true },
    },
  });
}

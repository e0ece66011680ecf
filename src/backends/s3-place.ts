import { AppError } from "../base/errors.ts";

/** Where in which S3 the objects lie. */
export type S3Place = {
  readonly endpoint: string;
  readonly bucket: string;
  /** Without slashes at its ends; may be empty. */
  readonly prefix: string;
  readonly label: string;
};

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** Whether a place is one in S3 at all. */
export function isS3(at: string): boolean {
  return at.startsWith("s3://");
}

/**
 * `s3://host[:port]/bucket[/prefix]`. Spoken with by https; by http on this machine only, unless the
 * configuration says otherwise. USAGE.
 */
export function parseS3(at: string, tls: boolean | undefined): S3Place {
  const [, host = "", bucket = "", rest = ""] =
    /^s3:\/\/([^/?#@]+)\/([^/?#]+)(\/[^?#]*)?$/.exec(at) ?? [];
  const hostname = host.replace(/:\d+$/, "");
  if (!/^[a-z0-9][a-z0-9.-]{2,62}$/.test(bucket) || hostname === "") {
    throw new AppError("USAGE", `read ${at}: that is no place in S3`, {
      hint: "As in s3://s3.example.com/bucket/prefix. Keys stand under s3:, not here.",
    });
  }
  const isTls = tls ?? !LOOPBACK.test(hostname);
  const prefix = rest.split("/").filter(Boolean).join("/");
  const label = ["s3:/", host, bucket, ...(prefix === "" ? [] : [prefix])].join("/");
  return { endpoint: `${isTls ? "https" : "http"}://${host}`, bucket, prefix, label };
}

/** As restic's -r takes it. */
export function resticS3({ endpoint, bucket, prefix }: S3Place): string {
  return `s3:${endpoint}/${bucket}${prefix === "" ? "" : `/${prefix}`}`;
}

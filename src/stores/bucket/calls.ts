import type { S3Client } from "@aws-sdk/client-s3";
import type { Run } from "../../base/events.ts";
import { translateS3Error } from "../../s3/errors.ts";
import type { QuickGet } from "../../s3/quick-get.ts";

/** Where an object is. */
export type Place = { readonly bucket: string; readonly key: string };

/** What the calls of a store share. */
export type Client = {
  readonly sdk: typeof import("@aws-sdk/client-s3");
  readonly client: S3Client;
  readonly quick: QuickGet;
  readonly label: string;
};

export const nameOf = ({ bucket, key }: Place): { Bucket: string; Key: string } => ({
  Bucket: bucket,
  Key: key,
});

type Command = Parameters<S3Client["send"]>[0];

/** UNAVAILABLE, REFUSED, WRONG_KEY, NOT_FOUND. */
export async function send(
  { client, label }: Client,
  command: { readonly input: object } & { middlewareStack: unknown },
  doing: string,
  { signal }: Run,
): Promise<AnswerOf> {
  try {
    return (await client.send(command as unknown as Command, {
      abortSignal: signal,
    })) as unknown as AnswerOf;
  } catch (error) {
    signal.throwIfAborted();
    throw translateS3Error(error, `${doing} in ${label}`);
  }
}

/** What of the answers is looked at. */
type AnswerOf = {
  readonly Buckets?: { readonly Name?: string }[];
  readonly Errors?: { readonly Key?: string; readonly Code?: string; readonly Message?: string }[];
  readonly UploadId?: string;
  readonly ETag?: string;
  readonly TagSet?: { readonly Key?: string; readonly Value?: string }[];
  readonly Contents?: { readonly Key?: string; readonly Size?: number; readonly ETag?: string }[];
  readonly IsTruncated?: boolean;
  readonly NextContinuationToken?: string;
};

/** An ETag without the quotes that not every server puts around it. */
export const plain = (etag: string): string => etag.replaceAll('"', "");

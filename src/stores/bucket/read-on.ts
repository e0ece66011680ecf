import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { translateS3Error } from "../../s3/errors.ts";

/** What an answer gives of an object. */
export type Body = {
  readonly body: AsyncIterable<Uint8Array>;
  /** Where in the object it begins. */
  readonly from: number;
  /** Of the whole object. */
  readonly size: number;
  readonly etag: string;
};

/** Asks for the rest of the same object; undefined: it has gone. */
export type AskRest = (from: number, etag: string) => Promise<Body | undefined>;

const TRIES_MAX = 6;
const AGAIN_MS = 100;

/**
 * The bytes of an object: where a connection breaks, the rest is asked for as long as some of it comes.
 * Only of the same object, which a server tells by its ETag, and exactly as many bytes as it has:
 * not every server knows what a part of an object is. UNAVAILABLE; SOURCE_FAILED when it was changed.
 */
export async function* readOn(
  first: Body,
  doing: string,
  ask: AskRest,
  { signal }: Run,
): AsyncGenerator<Uint8Array> {
  const { size, etag } = first;
  let at = 0;
  let answer = first;
  for (let tries = 1; ; tries++) {
    const before = at;
    try {
      // Whoever ignores what was asked for gives all of it again.
      let skip = at - answer.from;
      for await (const part of answer.body) {
        const wanted = part.subarray(Math.min(skip, part.length));
        skip -= part.length - wanted.length;
        if (wanted.length === 0) continue;
        at += wanted.length;
        if (at > size) throw changed(doing);
        yield wanted;
      }
      if (at === size) return;
      throw new Error(`it ended after ${at} of ${size} bytes`);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof AppError) throw error;
      if (at === size) return;
      if (at > before) tries = 0;
      // Without a strong ETag nobody knows whether the rest is of the same object.
      if (tries === TRIES_MAX || !isStrong(etag)) throw translateS3Error(error, doing);
    }
    await sleep(AGAIN_MS * 2 ** tries, undefined, { signal });
    const rest = await ask(at, etag);
    if (rest === undefined || rest.etag !== etag || rest.size !== size || rest.from > at) {
      throw changed(doing);
    }
    answer = rest;
  }
}

const isStrong = (etag: string): boolean => etag !== "" && !etag.startsWith("W/");

/** SOURCE_FAILED: what was read belongs to two objects. */
export const changed = (doing: string): AppError =>
  new AppError("SOURCE_FAILED", `${doing}: it was changed while it was read`, {
    hint: "Back up again, with hold: where it changes all the time.",
  });

import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";

/** Names one version of a slot's content: a stamp, a release, what an operation displaced. */
export type Version = string & { readonly __brand: "Version" };

/**
 * A thing of which exactly one version is live: the data in a store, the release on a target.
 *
 * Deploying, rolling back and restoring are the same four acts. Each act can be repeated after a
 * crash with the same effect as once.
 */
export type Slot = {
  /** Makes a version ready beside the live one, which goes on undisturbed. NOT_FOUND, NO_SPACE. */
  stage(version: Version, run: Run): Promise<void>;

  /** Says by UNHEALTHY that a staged version cannot be trusted. */
  verify(version: Version, run: Run): Promise<void>;

  /**
   * Makes a ready version the live one. What is live then lies ready as `displaced`. Whatever a
   * crash left half done in between is put right first.
   */
  activate(version: Version, displaced: Version, run: Run): Promise<void>;

  /** Removes a version that is not live. It is no error when it is not there. */
  discard(version: Version, run: Run): Promise<void>;
};

const VERSION = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

export function version(text: string): Version {
  if (!VERSION.test(text)) {
    throw new AppError("USAGE", `name a version: ${JSON.stringify(text)} is none`, {
      hint: "Letters, digits, dots, dashes and underscores; at most 128.",
    });
  }
  return text as Version;
}

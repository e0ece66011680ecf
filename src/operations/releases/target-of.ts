import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { stopOrder } from "../../config/dependencies.ts";
import { version, type Version } from "../../slots/slot.ts";
import type { Release, Target } from "../../targets/target.ts";
import type { Component } from "../components.ts";
import type { System } from "../system.ts";

export type Deployable = Component & { readonly target: Target };

/** The component that has releases; the only one when none is named. NOT_FOUND, USAGE. */
export function deployable(system: System, named: string | undefined): Deployable {
  const all = system.components.filter((one): one is Deployable => one.target !== undefined);
  const names = all.map(({ name }) => name).join(", ");
  if (named === undefined && all.length === 1) return all[0]!;
  const found = all.find(({ name }) => name === named);
  if (found !== undefined) return found;
  if (named === undefined && all.length > 1) {
    throw new AppError("USAGE", "choose a component: there are several", {
      hint: `Name one: ${names}`,
    });
  }
  const isKnown = system.components.some(({ name }) => name === named);
  throw new AppError(
    "NOT_FOUND",
    isKnown
      ? `choose ${named}: it has no target`
      : `choose ${named ?? "a component"}: there is none`,
    {
      hint:
        names === ""
          ? "Say where releases live: components.NAME.target: { folder: /opt/app/versions }"
          : `With releases there are: ${names}`,
    },
  );
}

/** "v1.2.0" and "1.2.0" are the same. */
export function releaseVersion(text: string): Version {
  const name = version(text.replace(/^v(?=\d)/, ""));
  if (/^\d/.test(name)) return name;
  throw new AppError("USAGE", `name a release: ${JSON.stringify(text)} is none`, {
    hint: "It begins with a digit, as in 1.2.0.",
  });
}

export async function findRelease(target: Target, named: Version): Promise<Release | undefined> {
  return (await target.releases()).find(({ version: one }) => one === named);
}

/** Components with all that depend on them and run, in the order in which they stop. */
export async function withRunningDependents(
  system: System,
  named: readonly Component[],
  run: Run,
): Promise<Component[]> {
  const all = withDependents(system, named);
  const lives = await Promise.all(
    all.map(async (one) => named.includes(one) || (await one.runner?.isAlive(run)) !== false),
  );
  return all.filter((_, at) => lives[at]);
}

/** Components with all that depend on them, in the order in which they stop. */
export function withDependents(
  { config, components }: System,
  named: readonly Component[],
): Component[] {
  const names = named.map(({ name }) => name);
  const all = [...named, ...components];
  return stopOrder(names, config.components).map((name) => all.find((one) => one.name === name)!);
}

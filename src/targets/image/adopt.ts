import { AppError } from "../../base/errors.ts";
import { realEffects } from "../../base/effects.ts";
import type { Run } from "../../base/events.ts";
import { version as versionNamed } from "../../slots/slot.ts";
import { stageRelease } from "../folder/stage.ts";
import { versionsIn } from "../folder/layout.ts";
import type { Adopted, Target } from "../target.ts";
import { readKey } from "./env-file.ts";
import type { ImageTargetConfig } from "./image.ts";
import { keptSource } from "./kept-source.ts";
import { describeLocal } from "./images.ts";

/**
 * Takes over what runs already: the image of the version that the env file names becomes a good
 * release, and the live one. Nothing that runs is touched. NOT_FOUND, CONFIG_INVALID.
 */
export async function adoptImage(
  target: Target,
  config: ImageTargetConfig,
  run: Run,
): Promise<Adopted> {
  const { root, image, env, docker, clock, effects = realEffects } = config;
  if (env === undefined) {
    throw new AppError("CONFIG_INVALID", `adopt ${config.name}: nothing says which version runs`, {
      hint: "Say where it stands: target.env-file and target.key",
    });
  }
  const named = await readKey(env.file, env.key);
  if (named === undefined || !/^\d/.test(named)) {
    throw new AppError(
      "NOT_FOUND",
      `adopt ${config.name}: ${env.key} in ${env.file} is no version`,
      {
        hint: `It has to begin with a digit, as in ${env.key}=1.0.0.`,
      },
    );
  }
  const version = versionNamed(named);
  const isNew = !(await versionsIn(root)).includes(version);
  if (isNew) {
    const found = await describeLocal(docker, `${image}:${version}`, run);
    const source = await keptSource(config, found, version, run);
    await effects.makeFolder(root);
    await stageRelease(root, version, undefined, source, effects, run);
  }
  await target.point("current", version, run);
  const at = clock.now().toISOString();
  await target.mark(version, { verdict: "good", committed: at, at, reason: "adopted" });
  return { adopted: isNew ? [version] : [], problems: [] };
}

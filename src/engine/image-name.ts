import { AppError } from "../base/errors.ts";

/** `registry.example:5000/team/web` in parts. */
export type ImageName = {
  /** Host and port; undefined for what the engine looks for on Docker Hub, or has itself. */
  readonly registry: string | undefined;
  readonly repository: string;
};

const NAME = /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$/;
const REGISTRY = /^(?:[A-Za-z0-9.-]+\.[A-Za-z0-9.-]+|localhost|[A-Za-z0-9.-]+(?=:))(?::\d{1,5})?$/;

/** Takes an image's name without tag apart, as https://github.com/distribution/reference has it. */
export function parseImageName(name: string): ImageName {
  const [first = "", ...rest] = name.split("/");
  const hasRegistry = rest.length > 0 && REGISTRY.test(first);
  const repository = hasRegistry ? rest.join("/") : name;
  if (!NAME.test(repository)) {
    throw new AppError("USAGE", `read image name ${JSON.stringify(name)}: it is none`, {
      hint: "As in cr.example/team/web, without a tag: versions are the tags.",
    });
  }
  return { registry: hasRegistry ? first : undefined, repository };
}

import { randomBytes } from "node:crypto";
import { AppError } from "../../base/errors.ts";
import { isIrreducible, type Polynomial, randomPolynomial } from "./polynomial.ts";

/** What stands in the file `config`: written once, when the repository is made. */
export type RepositoryConfig = {
  readonly version: 1 | 2;
  readonly id: string;
  readonly polynomial: Polynomial;
};

const VERSION_NEWEST = 2;

export function newConfig(): RepositoryConfig {
  return { version: 2, id: randomBytes(32).toString("hex"), polynomial: randomPolynomial() };
}

export function encodeConfig({ version, id, polynomial }: RepositoryConfig): Buffer {
  const json = { version, id, chunker_polynomial: polynomial.toString(16) };
  return Buffer.from(JSON.stringify(json));
}

/** UNSUPPORTED for a version from the future, CORRUPT for anything but a configuration. */
export function decodeConfig(plain: Buffer, label: string): RepositoryConfig {
  const json = parse(plain, label);
  const { version, id, chunker_polynomial: polynomial } = json;
  if (typeof version === "number" && version > VERSION_NEWEST) {
    throw new AppError("UNSUPPORTED", `open ${label}: it has version ${version}`, {
      hint: `This lastgood knows versions 1 and ${VERSION_NEWEST}. Use a newer one.`,
    });
  }
  const isRight =
    (version === 1 || version === 2) &&
    typeof id === "string" &&
    typeof polynomial === "string" &&
    /^[0-9a-f]{1,16}$/.test(polynomial) &&
    isIrreducible(BigInt(`0x${polynomial}`));
  if (!isRight) throw new AppError("CORRUPT", `open ${label}: its configuration is damaged`);
  return { version, id, polynomial: BigInt(`0x${polynomial}`) };
}

function parse(plain: Buffer, label: string): Record<string, unknown> {
  try {
    return JSON.parse(plain.toString()) as Record<string, unknown>;
  } catch (error) {
    throw new AppError("CORRUPT", `open ${label}: its configuration is damaged`, { cause: error });
  }
}

import path from "node:path";

/** A repository and the file of its password, as flags name them. */
export function repositoryOfFlags(
  at: string,
  passwordFile: string,
  folder: string,
): { at: string; password: { file: string } } {
  return { at: path.resolve(folder, at), password: { file: path.resolve(folder, passwordFile) } };
}

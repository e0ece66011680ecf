import { readFile } from "node:fs/promises";
import path from "node:path";

/**
 * Where file systems are mounted, as the kernel has it (proc(5), mountinfo). Devices do not tell: a
 * bind mount has that of the folder above. Empty where there is no /proc.
 */
export async function mountPoints(): Promise<ReadonlySet<string>> {
  const text = await readFile("/proc/self/mountinfo", "utf8").catch(() => "");
  const points = text.split("\n").map((line) => line.split(" ")[4]);
  return new Set(points.filter((point) => point !== undefined).map(unescape));
}

/** Mount points below a folder, not the folder itself. */
export async function mountsInside(folder: string): Promise<string[]> {
  const points = [...(await mountPoints())];
  return points.filter((point) => point.startsWith(`${folder}${path.sep}`));
}

/** Spaces and the like stand there as octal numbers. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

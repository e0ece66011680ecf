/**
 * Orders versions as Semantic Versioning 2.0.0 does, section 11: 1.9.0 before 1.10.0, a pre-release
 * before its release. What is no such version is ordered part by part in the same way.
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [split(a), split(b)];
  const byCore = compareParts(left.core, right.core);
  if (byCore !== 0) return byCore;
  if (left.pre === undefined || right.pre === undefined) {
    return Number(left.pre === undefined) - Number(right.pre === undefined);
  }
  return compareParts(left.pre, right.pre);
}

function split(version: string): { core: string[]; pre: string[] | undefined } {
  const [main = ""] = version.split("+");
  const dash = main.indexOf("-");
  const core = (dash === -1 ? main : main.slice(0, dash)).split(".");
  return { core, pre: dash === -1 ? undefined : main.slice(dash + 1).split(".") };
}

function compareParts(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [left, right] = [a[i], b[i]];
    // The longer one has more to say: 1.0 before 1.0.1, alpha before alpha.1.
    if (left === undefined || right === undefined) return left === undefined ? -1 : 1;
    if (left === right) continue;
    const [isLeft, isRight] = [/^\d+$/.test(left), /^\d+$/.test(right)];
    if (isLeft && isRight) return Number(BigInt(left) > BigInt(right)) * 2 - 1;
    if (isLeft !== isRight) return isLeft ? -1 : 1;
    return left < right ? -1 : 1;
  }
  return 0;
}

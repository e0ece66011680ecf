import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * All that a backup has to keep of a folder, a line an entry: name, type, mode, owner, time to the
 * microsecond (Node sets no finer ones), links, content. Two folders are the same if the lines are.
 */
export function describeTree(root: string): string[] {
  const lines: string[] = [];
  const firstNames = new Map<bigint, string>();

  const visit = (folder: Buffer, relative: string): void => {
    for (const name of readdirSync(folder, { encoding: "buffer" }).toSorted(Buffer.compare)) {
      const file = Buffer.concat([folder, Buffer.from("/"), name]);
      const below = `${relative}/${name.toString("latin1")}`;
      const stat = lstatSync(file, { bigint: true });
      const micros = stat.mtimeNs / 1000n - (stat.mtimeNs % 1000n < 0n ? 1n : 0n);
      const facts = [below, stat.mode.toString(8), stat.uid, stat.gid];
      if (stat.isSymbolicLink()) {
        facts.push(micros, readlinkSync(file, { encoding: "latin1" }));
      } else if (stat.isFile()) {
        const first = firstNames.get(stat.ino) ?? below;
        firstNames.set(stat.ino, first);
        facts.push(micros, stat.nlink, first, stat.size, hash("sha256", readFileSync(file)));
      } else {
        facts.push(micros);
      }
      lines.push(facts.join(" "));
      if (stat.isDirectory()) visit(file, below);
    }
  };

  visit(Buffer.from(root), "");
  return lines;
}

/** Says where two folders differ first, not all that is in them. */
export function assertSameTrees(
  actual: string,
  expected: string,
  counts: (line: string) => boolean = () => true,
): void {
  const [a, b] = [actual, expected].map((folder) => describeTree(folder).filter(counts));
  const differing = b!.flatMap((line, i) => (line === a![i] ? [] : [`${a![i]} != ${line}`]));
  assert.deepEqual(differing.slice(0, 5), []);
  assert.equal(a!.length, b!.length);
}

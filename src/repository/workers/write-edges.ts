import { closeSync, openSync } from "node:fs";
import type { Jobs } from "./jobs.ts";
import { rawPath } from "./raw-path.ts";
import { CREATE, MODE_AT_FIRST } from "./target-file.ts";
import { writeAll } from "./write-all.ts";

/** Writes the edges that were left of files, through the cache. */
export function writeEdges({ edges }: Jobs["writeEdges"]["in"]): object {
  for (const [path, ofFile] of Map.groupBy(edges, (edge) => edge.path)) {
    const descriptor = openSync(rawPath(path), CREATE, MODE_AT_FIRST);
    try {
      for (const { bytes, position } of ofFile) writeAll(descriptor, bytes, position);
    } finally {
      closeSync(descriptor);
    }
  }
  return {};
}

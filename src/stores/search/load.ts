import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Search } from "./client.ts";

/** A server takes 100 MB; a small device has not that much to spare. */
const BATCH_BYTES = 4 * 1024 * 1024;
const TRIES_MAX = 6;
const AGAIN_MS = 250;

/** Writes documents, two lines each, into an index. SOURCE_FAILED, NO_SPACE, UNAVAILABLE. */
export async function loadDocuments(
  search: Search,
  index: string,
  source: AsyncIterable<Uint8Array>,
  run: Run,
): Promise<void> {
  let batch: string[] = [];
  let bytes = 0;
  for await (const document of documentsIn(source)) {
    batch.push(document);
    bytes += document.length;
    if (bytes < BATCH_BYTES) continue;
    await write(search, index, batch, run);
    [batch, bytes] = [[], 0];
  }
  if (batch.length > 0) await write(search, index, batch, run);
}

/** Two lines each. */
async function* documentsIn(source: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  let head: string | undefined;
  for await (const part of source) {
    const lines = (rest + decoder.decode(part, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      if (head !== undefined) yield `${head}\n${line}\n`;
      head = head === undefined ? line : undefined;
    }
  }
}

type Item = { index: { status: number; error?: { type?: string; reason?: string } } };

/** What the server is too busy for it says for each document, with status 200 for all of them. */
async function write(
  search: Search,
  index: string,
  documents: readonly string[],
  run: Run,
): Promise<void> {
  let left = documents;
  for (let tries = 1; ; tries++) {
    const asked = { method: "POST", path: `/${index}/_bulk`, what: `write into ${index}` } as const;
    const body = Buffer.from(left.join(""));
    const { items } = await search.json<{ items: Item[] }>({ ...asked, body }, run);
    const failures = items.flatMap(({ index: item }, at) =>
      item.status < 300 ? [] : [{ ...item, document: left[at]! }],
    );
    const [worst] = failures.filter(({ status }) => status !== 429);
    const isStuck = failures.length > 0 && tries === TRIES_MAX;
    const failure = worst ?? (isStuck ? failures[0] : undefined);
    if (failure !== undefined) {
      const code = failure.error?.type === "cluster_block_exception" ? "NO_SPACE" : "SOURCE_FAILED";
      throw new AppError(code, `write into ${index}: ${failure.error?.reason ?? failure.status}`, {
        hint: "Nothing of what is live was changed. See the server's log.",
      });
    }
    if (failures.length === 0) return;
    left = failures.map(({ document }) => document);
    await sleep(AGAIN_MS * 2 ** (tries - 1), undefined, { signal: run.signal });
  }
}

/** The few calls of Chroma's HTTP interface (version 2) that the stand-in needs. */
export type Collection = {
  add(ids: string[], documents: string[]): Promise<void>;
  query(text: string, results: number): Promise<{ ids: string[]; documents: (string | null)[] }>;
  all(): Promise<{ ids: string[]; documents: (string | null)[] }>;
};

const DIMENSIONS = 64;

/** A vector that depends on the words only: no model is needed to see that search works. */
function embed(text: string): number[] {
  const vector = Array.from({ length: DIMENSIONS }, () => 0.001);
  for (const word of text.toLowerCase().split(/\W+/)) {
    let hash = 7;
    for (const letter of word) hash = (hash * 31 + letter.charCodeAt(0)) % 65_521;
    vector[hash % DIMENSIONS]! += 1;
  }
  return vector;
}

export async function openCollection(port: number, name: string): Promise<Collection> {
  const base = `http://127.0.0.1:${port}/api/v2/tenants/default_tenant/databases/default_database/collections`;
  const call = async (path: string, body: unknown): Promise<unknown> => {
    const response = await fetch(`${base}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
    });
    if (!response.ok)
      throw new Error(`chroma ${path}: ${response.status} ${await response.text()}`);
    return await response.json();
  };
  const { id } = (await call("", { name, get_or_create: true })) as { id: string };
  return {
    async add(ids, documents) {
      await call(`/${id}/upsert`, { ids, documents, embeddings: documents.map(embed) });
    },
    async query(text, results) {
      const include = ["documents"];
      const found = (await call(`/${id}/query`, {
        query_embeddings: [embed(text)],
        n_results: results,
        include,
      })) as { ids: string[][]; documents: (string | null)[][] };
      return { ids: found.ids[0] ?? [], documents: found.documents[0] ?? [] };
    },
    async all() {
      const include = ["documents"];
      return (await call(`/${id}/get`, { include })) as {
        ids: string[];
        documents: (string | null)[];
      };
    },
  };
}

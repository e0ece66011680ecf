// Compiles the AssemblyScript sources into a TypeScript module with the bytes in base64, so that
// the program needs no build and the test can prove that the bytes come from the source beside them.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { main } from "assemblyscript/asc";

const folder = path.resolve(import.meta.dirname, "../src/repository/wasm");

/** The text of hot.generated.ts, made anew from assembly/hot.ts. */
export async function generateHot(): Promise<string> {
  const { error, binary } = await compile();
  if (error !== null || binary === undefined) throw new Error("no binary", { cause: error });
  return [
    "// Made from assembly/hot.ts by `npm run build:wasm`. Do not edit.",
    `export const HOT_WASM_BASE64 =\n  "${Buffer.from(binary).toString("base64")}";`,
    "",
  ].join("\n");
}

async function compile(): Promise<{
  error: Error | null;
  binary: Uint8Array | undefined;
}> {
  let binary: Uint8Array | undefined;
  const flags =
    "-O3 --noAssert --runtime stub --importMemory --enable simd --enable relaxed-simd --disable mutable-globals --memoryBase 4096";
  const { error } = await main(
    ["assembly/hot.ts", "--outFile", "hot.wasm", "--baseDir", folder, ...flags.split(" ")],
    { writeFile: (_name, contents) => void (binary = contents as Uint8Array) },
  );
  return { error, binary };
}

if (import.meta.main) await writeFile(path.join(folder, "hot.generated.ts"), await generateHot());

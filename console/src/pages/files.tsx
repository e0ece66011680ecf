import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { useLoad } from "../live.ts";
import { Command, Table, When } from "../parts/basics.tsx";
import { size } from "../words.ts";

type Listed = {
  folder: string;
  files: { name: string; type: string; bytes?: number; modified: string; mode: string }[];
};

/** What lies in a point, folder by folder. */
export function Files({ stamp }: { stamp: string }): JSX.Element {
  const [folder, setFolder] = useState<string>();
  if (folder === undefined) {
    return (
      <section>
        <h2>Files</h2>
        <button type="button" onClick={() => setFolder("/")}>
          Browse
        </button>
      </section>
    );
  }
  return (
    <section>
      <h2>Files</h2>
      <Folder stamp={stamp} folder={folder} onOpen={setFolder} />
      <Command words={["show", stamp, "--files", folder]} />
    </section>
  );
}

function Folder({
  stamp,
  folder,
  onOpen,
}: {
  stamp: string;
  folder: string;
  onOpen: (folder: string) => void;
}): JSX.Element {
  const loaded = useLoad<Listed>(
    `/points/${stamp}/files?path=${encodeURIComponent(folder)}`,
    false,
  );
  const parts = folder.split("/").filter(Boolean);
  return (
    <>
      <nav class="crumbs" aria-label="Folder">
        <button type="button" class="link" onClick={() => onOpen("/")}>
          /
        </button>
        {parts.map((part, at) => (
          <button
            type="button"
            class="link"
            key={part}
            onClick={() => onOpen(`/${parts.slice(0, at + 1).join("/")}`)}
          >
            {part}/
          </button>
        ))}
      </nav>
      <When loaded={loaded}>
        {({ files }) => (
          <Table
            caption={`Files in ${folder}`}
            head={["Name", "Size", "Modified", "Mode"]}
            rows={files.map(({ name, type, bytes, modified, mode }) => ({
              key: name,
              cells: [
                type === "dir" ? (
                  <button
                    type="button"
                    class="link"
                    onClick={() => onOpen(`${folder === "/" ? "" : folder}/${name}`)}
                  >
                    {name}/
                  </button>
                ) : (
                  <a
                    href={`/api/v1/points/${stamp}/file?path=${encodeURIComponent(`${folder}/${name}`)}`}
                    download={name}
                  >
                    {name}
                  </a>
                ),
                bytes === undefined ? "" : size(bytes),
                modified.slice(0, 19).replace("T", " "),
                mode,
              ],
            }))}
          />
        )}
      </When>
    </>
  );
}

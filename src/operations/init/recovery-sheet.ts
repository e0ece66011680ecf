/** A repository, and where the key to it lies. */
export type Kept = { readonly at: string; readonly keyFile: string };

/** What somebody needs on the day on which this machine is gone. The keys themselves are not on it. */
export function recoverySheet(
  { at: repository, keyFile }: Kept,
  copies: Readonly<Record<string, Kept>>,
): string {
  const others = Object.entries(copies).map(
    ([name, copy]) => `
Copy "${name}": ${copy.at}
Its key:     ${copy.keyFile}${copy.keyFile === keyFile ? "" : "  (another key: keep this one too)"}
`,
  );
  return `RECOVERY SHEET: print it, and keep it where this machine is not.

Repository:  ${repository}
Key file:    ${keyFile}

  Without the key nobody can read the repository, lastgood neither. Copy the key file to a password
  manager, or write its one line here:

  ________________________________________________
${others.join("")}
On a new machine, with lastgood as it was installed on the old one (Node 24.15 or newer):

  lastgood points  --repository REPOSITORY --password-file KEY
  lastgood restore latest --repository REPOSITORY --password-file KEY

Without lastgood, with restic (0.14 or newer); the repository is a plain restic repository:

  restic -r REPOSITORY --password-file KEY snapshots --tag lastgood,valid
  (of those the newest without the tag "safety": "latest" may be another)
  restic -r REPOSITORY --password-file KEY restore SNAPSHOT --target /some/folder

  In the folder then lie: lastgood/lastgood.yaml, the configuration; lastgood/point.json, what the
  point holds and where it belongs; stores/, the data; files/, what else a new machine needs.
`;
}

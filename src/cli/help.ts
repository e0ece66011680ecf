/** What `lastgood` says without a verb. */
export function overview(
  commands: readonly { readonly name: string; readonly summary: string }[],
): string {
  const verbs = commands.map(({ name, summary }) => `  ${name.padEnd(10)}${summary}`);
  return [
    "lastgood brings a self-hosted system back to its last known good state, code and data together.",
    "",
    "Usage: lastgood [-c FILE] <verb> [arguments]",
    "",
    ...verbs,
    "  version   Say which version this is",
    "",
    "Begin with:",
    "  lastgood demo                 see it work, on data of its own",
    "  lastgood init                 write lastgood.yaml for this folder",
    "  lastgood backup               take a recovery point",
    "  lastgood restore latest       bring everything back to it",
    "",
    "lastgood <verb> --help explains a verb, with examples.",
    "",
  ].join("\n");
}

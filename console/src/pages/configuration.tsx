import type { JSX } from "preact";
import { may } from "../api.ts";
import { useLoad, useSession } from "../live.ts";
import { span } from "../words.ts";
import { Command, Empty, Page, Pill, Table, When } from "../parts/basics.tsx";

type Config = { file: string; text: string; lines: Record<string, number>; config: unknown };
type Doctor = { findings: { severity: "error" | "warning"; problem: string; hint: string }[] };

export function ConfigurationPage(): JSX.Element {
  const session = useSession();
  return (
    <Page title="Configuration">
      <h2>What would go wrong in an emergency</h2>
      <When loaded={useLoad<Doctor>("/doctor", false)}>
        {({ findings }) =>
          findings.length === 0 ? (
            <p>
              <Pill tone="good">nothing was found</Pill>
            </p>
          ) : (
            <ul class="plain">
              {findings.map(({ severity, problem, hint }) => (
                <li key={problem}>
                  <Pill tone={severity === "error" ? "bad" : "warn"}>{severity}</Pill> {problem}
                  <br />
                  <span class="quiet">{hint}</span>
                </li>
              ))}
            </ul>
          )
        }
      </When>
      <Command words={["doctor"]} />
      {may(session, "operate") ? (
        <File />
      ) : (
        <Empty title="Your token may not read the configuration: that needs operate." />
      )}
    </Page>
  );
}

function File(): JSX.Element {
  return (
    <When loaded={useLoad<Config>("/config", false)}>
      {({ file, text, lines, config }) => (
        <>
          <h2>As it stands in {file}</h2>
          <ol class="source" aria-label={file} tabIndex={0}>
            {text.split("\n").map((line, at) => (
              <li key={at}>
                <code>{line || " "}</code>
              </li>
            ))}
          </ol>
          <h2>As it is understood</h2>
          <Table
            caption="Each value, and where it comes from"
            head={["Key", "Value", "From"]}
            rows={leavesOf(config, "").map(([key, value]) => ({
              key,
              cells: [
                <code>{key}</code>,
                <code>{value}</code>,
                lines[key] === undefined ? (
                  <span class="quiet">by default</span>
                ) : (
                  `line ${lines[key]}`
                ),
              ],
            }))}
          />
          <Command words={["config"]} />
        </>
      )}
    </When>
  );
}

/** Keys whose numbers are milliseconds. */
const DURATIONS: ReadonlySet<string> = new Set([
  "every",
  "undo-for",
  "recovery-time",
  "data-loss",
  "healthy-for",
  "deadline",
  "timeout",
  "start-timeout",
  "stop-timeout",
  "max-latency",
  "limit",
  "for",
]);

/** Each value with its dotted path. */
function leavesOf(value: unknown, at: string): [key: string, value: string][] {
  if (typeof value === "number" && DURATIONS.has(at.split(".").at(-1) ?? ""))
    return [[at, span(value)]];
  if (typeof value !== "object" || value === null) return [[at, String(value)]];
  const entries = Object.entries(value);
  if (entries.length === 0) return [[at, Array.isArray(value) ? "[]" : "{}"]];
  return entries.flatMap(([key, one]) => leavesOf(one, at === "" ? key : `${at}.${key}`));
}

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ask, type Incident, may } from "../api.ts";
import { useLoad, useSession } from "../live.ts";
import { Act, Command, Commands, Empty, Page, Pill, Table, Time, When } from "../parts/basics.tsx";
import { moment, span } from "../words.ts";

type Said = {
  summary: string;
  rootCause: string;
  resolution: string;
  impact: string;
  prevention: string;
  actionItems: string[];
};

type Report = Incident & {
  timeline: { at: string; text: string }[];
  downMs?: number;
  rolledBack: string[];
  dataLost: string[];
  said: Said;
  markdown: string;
};

export function IncidentsPage(): JSX.Element {
  return (
    <Page title="Incidents">
      <When loaded={useLoad<{ incidents: Incident[] }>("/incidents")}>
        {({ incidents }) =>
          incidents.length === 0 ? (
            <Empty title="Nothing has gone wrong yet.">
              <p>
                One is opened by itself when something rolls back, a required check goes bad or a
                backup fails.
              </p>
            </Empty>
          ) : (
            <Table
              caption="Incidents, newest first"
              head={["Incident", "State", "Detected", "Lasted", "Components"]}
              rows={incidents.map((one) => ({
                key: one.id,
                cells: [
                  <a href={`#/incidents/${one.id}`}>{one.title}</a>,
                  <State of={one} />,
                  <Time at={one.detected} />,
                  one.recovered === undefined
                    ? ""
                    : span(Date.parse(one.recovered) - Date.parse(one.detected)),
                  one.components.join(", "),
                ],
              }))}
            />
          )
        }
      </When>
      <Command words={["incident", "list"]} />
    </Page>
  );
}

function State({ of: { recovered, closed } }: { of: Incident }): JSX.Element {
  if (closed !== undefined) return <Pill tone="good">closed</Pill>;
  return recovered === undefined ? (
    <Pill tone="bad">lasts</Pill>
  ) : (
    <Pill tone="warn">over, to be described</Pill>
  );
}

export function IncidentPage({ id }: { id: string }): JSX.Element {
  const loaded = useLoad<Report>(`/incidents/${id}`);
  return (
    <Page title="Incident report">
      <When loaded={loaded}>
        {(report) => (
          <Reported report={report} again={loaded.state === "there" ? loaded.retry : () => {}} />
        )}
      </When>
    </Page>
  );
}

/** What was typed, as the command line takes it. */
function flagsOf({ actionItems = [], ...texts }: Partial<Said>): string[] {
  const flags = Object.entries(texts).flatMap(([field, text]) => [
    `--${field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    text,
  ]);
  return [...flags, ...(actionItems.length === 0 ? [] : ["--action-item", ...actionItems])];
}

const FIELDS: readonly (readonly [keyof Omit<Said, "actionItems">, string, string])[] = [
  ["summary", "Summary", "in one sentence"],
  ["rootCause", "Root cause", "what caused it"],
  ["resolution", "Resolution", "what was done besides what lastgood did"],
  ["impact", "Impact", "who noticed what"],
  ["prevention", "Prevention", "how it is kept from happening again"],
];

/** What was typed and not saved yet, by incident: to look at another page loses nothing. */
const DRAFTS = new Map<string, Partial<Said>>();

function useDraft(
  report: Report,
  again: () => void,
): {
  draft: Partial<Said>;
  said: Said;
  say: (changed: Partial<Said>) => void;
  sent: () => void;
} {
  const [draft, setDraft] = useState<Partial<Said>>(DRAFTS.get(report.id) ?? {});
  // What somebody else says meanwhile is seen, and only what was typed here is sent.
  const said: Said = { ...report.said, ...draft };
  const say = (changed: Partial<Said>): void => {
    const next = { ...draft, ...changed };
    DRAFTS.set(report.id, next);
    setDraft(next);
  };
  const sent = (): void => {
    DRAFTS.delete(report.id);
    setDraft({});
    again();
  };
  const items = draft.actionItems?.filter((line) => line.trim() !== "");
  return { draft: items === undefined ? draft : { ...draft, actionItems: items }, said, say, sent };
}

function Reported({ report, again }: { report: Report; again: () => void }): JSX.Element {
  const session = useSession();
  const { draft, said, say, sent } = useDraft(report, again);
  const isWriter = may(session, "operate");
  const save = async (): Promise<void> => {
    await ask(`/incidents/${report.id}`, draft, "PATCH");
    sent();
  };
  const close = async (): Promise<void> => {
    await ask(`/incidents/${report.id}/close`, draft);
    sent();
  };
  return (
    <article class="report">
      <p class="lead">
        <State of={report} /> <strong>{report.title}</strong>
      </p>
      <dl class="facts">
        <dt>Detected</dt>
        <dd>
          <Time at={report.detected} />
        </dd>
        <dt>Restored</dt>
        <dd>{report.recovered === undefined ? "not yet" : <Time at={report.recovered} />}</dd>
        <dt>Detection to recovery</dt>
        <dd>{report.downMs === undefined ? "it lasts" : span(report.downMs)}</dd>
        <dt>Components</dt>
        <dd>{report.components.join(", ")}</dd>
        <dt>Rolled back</dt>
        <dd>{report.rolledBack.join("; ") || "nothing"}</dd>
        <dt>Data given up</dt>
        <dd>{report.dataLost.join("; ") || "none"}</dd>
      </dl>
      <h2>Timeline</h2>
      <ol class="timeline-list">
        {report.timeline.map(({ at, text }, index) => (
          <li key={index}>
            <time dateTime={at}>{moment(at)}</time> {text}
          </li>
        ))}
      </ol>
      <h2>What only people know</h2>
      {FIELDS.map(([field, label, hint]) => (
        <div class="field" key={field}>
          <label for={field}>{label}</label>
          <textarea
            id={field}
            rows={2}
            placeholder={hint}
            readOnly={!isWriter}
            value={said[field]}
            onInput={(event) => say({ [field]: event.currentTarget.value })}
          />
        </div>
      ))}
      <div class="field">
        <label for="actions">Action items, one a line</label>
        <textarea
          id="actions"
          rows={3}
          readOnly={!isWriter}
          value={said.actionItems.join("\n")}
          onInput={(event) => say({ actionItems: event.currentTarget.value.split("\n") })}
        />
      </div>
      <div class="actions no-print">
        {isWriter && <Act label="Save" kind="main" work={save} />}
        {isWriter && report.closed === undefined && <Act label="Save and close" work={close} />}
        <button type="button" onClick={() => print()}>
          Print
        </button>
      </div>
      <details class="no-print">
        <summary>As Markdown</summary>
        <pre>{report.markdown}</pre>
      </details>
      <Commands
        all={[
          ["incident", "show", report.id],
          ["incident", "edit", report.id, ...flagsOf(draft)],
          ["incident", "close", report.id],
        ]}
      />
    </article>
  );
}

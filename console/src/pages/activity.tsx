import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ask, may, type Operation, type Run } from "../api.ts";
import { useLoad, useSession } from "../live.ts";
import { Act, Command, Empty, Outcome, Page, Table, Time, When } from "../parts/basics.tsx";
import { span, typed } from "../words.ts";

type Listed = { operations: Operation[] };
type Audit = {
  entries: { seq: number; at: string; who: string; what: string; of: string; facts: string }[];
  head: { entries: number };
};

export function ActivityPage(): JSX.Element {
  const session = useSession();
  return (
    <Page title="Activity">
      <h2>Runs of this service</h2>
      <When loaded={useLoad<{ runs: Run[] }>("/runs")}>
        {({ runs }) =>
          runs.length === 0 ? (
            <p class="quiet">None since it was started.</p>
          ) : (
            <Table
              caption="Runs, newest first"
              head={["Command", "Who", "Begun", "Ended"]}
              rows={runs.map((run) => ({
                key: run.id,
                cells: [
                  <a href={`#/run/${run.id}`}>{typed(run.command)}</a>,
                  run.who,
                  <Time at={run.started} />,
                  run.end === undefined
                    ? "under way"
                    : run.end.exit === 0
                      ? "done"
                      : `exit code ${run.end.exit}`,
                ],
              }))}
            />
          )
        }
      </When>
      <h2>Operations</h2>
      <When loaded={useLoad<Listed>("/operations?limit=100")}>
        {(listed) => <Operations listed={listed} />}
      </When>
      <Command words={["history"]} />
      {may(session, "admin") && <AuditLog />}
    </Page>
  );
}

function Operations({ listed }: { listed: Listed }): JSX.Element {
  const [more, setMore] = useState<readonly Operation[]>([]);
  const operations = [...listed.operations, ...more];
  const load = async (): Promise<void> => {
    const { operations: next } = await ask<Listed>(
      `/operations?limit=200&before=${operations.at(-1)?.id}`,
    );
    setMore([...more, ...next]);
  };
  if (operations.length === 0) return <Empty title="Nothing was done yet." />;
  return (
    <>
      <Table
        caption="Operations, newest first"
        head={["Operation", "Outcome", "Who", "Why", "Begun", "Took"]}
        rows={operations.map(({ id, kind, outcome, who, reason, error, started, ended }) => ({
          key: id,
          cells: [
            <>
              <strong>{kind}</strong>
              <br />
              <code class="quiet">{id}</code>
            </>,
            <Outcome of={outcome} />,
            who,
            <>
              {reason}
              {error !== undefined && <p class="error">{error}</p>}
            </>,
            <Time at={started} />,
            ended === undefined ? "" : span(Date.parse(ended) - Date.parse(started)),
          ],
        }))}
      />
      <Act label="Show more" work={load} />
    </>
  );
}

function AuditLog(): JSX.Element {
  return (
    <>
      <h2>Audit log</h2>
      <When loaded={useLoad<Audit>("/audit?limit=1")}>
        {({ head }) => <AuditTail last={head.entries} />}
      </When>
      <Command words={["history", "verify"]} />
    </>
  );
}

function AuditTail({ last }: { last: number }): JSX.Element {
  return (
    <When loaded={useLoad<Audit>(`/audit?since=${Math.max(0, last - 50)}&limit=50`)}>
      {({ entries }) => (
        <Table
          caption="The last entries of the audit log"
          head={["Entry", "When", "Who", "What"]}
          rows={entries.toReversed().map(({ seq, at, who, what, of }) => ({
            key: String(seq),
            cells: [seq, <Time at={at} />, who, `${what} ${of}`],
          }))}
        />
      )}
    </When>
  );
}

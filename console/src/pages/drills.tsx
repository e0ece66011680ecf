import type { JSX } from "preact";
import { type Drill, type Home, may } from "../api.ts";
import { useLoad, useSession } from "../live.ts";
import {
  Act,
  Command,
  Commands,
  Empty,
  Outcome,
  Page,
  Table,
  Time,
  When,
} from "../parts/basics.tsx";
import { begin } from "../parts/begin.ts";
import { Gauge, RecoveryChart } from "../parts/charts.tsx";
import { size, span } from "../words.ts";

export function DrillsPage(): JSX.Element {
  const session = useSession();
  const home = useLoad<Home>("/home");
  const next =
    home.state === "there" ? home.value.jobs.find(({ kind }) => kind === "drill") : undefined;
  return (
    <Page title="Drills">
      <p class="lead">
        A drill restores a point into a place apart, starts the application there, asks its checks
        and measures. What is live is not touched.{" "}
        {home.state !== "there" ? null : next === undefined ? (
          "None is scheduled."
        ) : (
          <>
            Next: <Time at={next.next} />
          </>
        )}
      </p>
      {may(session, "backup") && (
        <div class="actions">
          <Act
            label="Drill with the latest point"
            kind="main"
            work={async () => await begin("drill", { reason: "by hand" })}
          />
          <Act
            label="With a random one"
            work={async () => await begin("drill", { point: "random", reason: "by hand" })}
          />
          <Commands all={[["drill"], ["drill", "random"], ["drill", "list"]]} />
        </div>
      )}
      <When loaded={useLoad<{ drills: Drill[] }>("/drills")}>
        {({ drills }) =>
          drills.length === 0 ? (
            <Empty title="No drill yet: how long a recovery takes is unknown." />
          ) : (
            <>
              <RecoveryChart drills={drills} />
              <Calendar drills={drills} next={next?.next} />
              <Table
                caption="Drills, newest first"
                head={["Drill", "Verdict", "Point", "Recovery", "Data loss", "What"]}
                rows={drills.map((drill) => ({
                  key: drill.id,
                  cells: [
                    <>
                      <a href={`#/drills/${drill.id}`}>{drill.id}</a>
                      <br />
                      <Time at={drill.started} />
                    </>,
                    <Outcome of={drill.verdict} />,
                    <a href={`#/points/${drill.point}`}>{drill.point}</a>,
                    drill.recovery.ms === undefined ? "not reached" : span(drill.recovery.ms),
                    drill.dataLoss.ms === undefined ? "" : span(drill.dataLoss.ms),
                    drill.problem ?? drill.reasons.join("; "),
                  ],
                }))}
              />
            </>
          )
        }
      </When>
    </Page>
  );
}

const MONTHS = 12;

/** The last year by months, and the next one. */
function Calendar({
  drills,
  next,
}: {
  drills: readonly Drill[];
  next: string | undefined;
}): JSX.Element {
  const now = new Date();
  const months = Array.from({ length: MONTHS + 3 }, (_, at) => {
    const month = new Date(now.getFullYear(), now.getMonth() - MONTHS + 1 + at, 1);
    const key = `${month.getFullYear()}-${String(month.getMonth() + 1).padStart(2, "0")}`;
    return { key, name: month.toLocaleDateString(undefined, { month: "short", year: "2-digit" }) };
  });
  return (
    <ul class="calendar" aria-label="By month">
      {months.map(({ key, name }) => {
        const here = drills.filter(({ started }) => started.startsWith(key));
        const isNext = next?.startsWith(key) === true;
        return (
          <li key={key} class={here.length > 0 ? "has" : ""}>
            <span class="quiet">{name}</span>
            {here.slice(0, 3).map(({ id, verdict }) => (
              <a key={id} href={`#/drills/${id}`} aria-label={`${id}: ${verdict}`}>
                <Outcome of={verdict} />
              </a>
            ))}
            {isNext && <span class="pill plain">next</span>}
          </li>
        );
      })}
    </ul>
  );
}

export function DrillPage({ id }: { id: string }): JSX.Element {
  return (
    <Page title={`Drill ${id}`}>
      <When loaded={useLoad<Drill>(`/drills/${id}`, false)}>
        {(drill) => <Evidence drill={drill} />}
      </When>
    </Page>
  );
}

function Evidence({ drill }: { drill: Drill }): JSX.Element {
  const { markdown, ...evidence } = drill;
  return (
    <>
      <p class="lead">
        <Outcome of={drill.verdict} /> Point <a href={`#/points/${drill.point}`}>{drill.point}</a>,{" "}
        <Time at={drill.started} />
      </p>
      {drill.problem !== undefined && (
        <div class="notice bad">
          <p>
            At fault: {drill.fault === "unclear" ? "unclear" : `the ${drill.fault}`}.{" "}
            <strong>{drill.problem}</strong>
          </p>
        </div>
      )}
      <div class="gauges card">
        <Gauge label="Recovery time" measured={drill.recovery} />
        <Gauge label="Data that would have been lost" measured={drill.dataLoss} />
      </div>
      <div class="actions">
        <Download name={`${drill.id}.json`} text={JSON.stringify(evidence, undefined, 2)} />
        <Download name={`${drill.id}.md`} text={markdown ?? ""} />
        <Command words={["drill", "show", drill.id]} />
      </div>
      <Table
        caption="Stores"
        head={["Store", "Restored in", "Size", "Found"]}
        rows={drill.stores.map(({ store, elapsedMs, facts, problems }) => ({
          key: store,
          cells: [
            store,
            span(elapsedMs),
            facts === undefined ? "" : size(facts.bytes),
            problems.join(", ") || "as it was captured",
          ],
        }))}
      />
      {drill.checks.length > 0 && (
        <Table
          caption="Checks"
          head={["Check", "Need", "Verdict", "Said"]}
          rows={drill.checks.map(({ component, check, need, verdict, detail }) => ({
            key: `${component}/${check}`,
            cells: [`${component}/${check}`, need, <Outcome of={verdict} />, detail],
          }))}
        />
      )}
      {drill.reasons.length > 0 && (
        <>
          <h2>Not tried</h2>
          <ul>
            {drill.reasons.map((reason) => (
              <li key={reason}>{reason}</li>
            ))}
          </ul>
        </>
      )}
      {drill.lastWords.length > 0 && <pre>{drill.lastWords.join("\n")}</pre>}
    </>
  );
}

function Download({ name, text }: { name: string; text: string }): JSX.Element {
  const save = (): void => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text]));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <button type="button" onClick={save}>
      Download {name.split(".").at(-1)}
    </button>
  );
}

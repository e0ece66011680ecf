import type { JSX } from "preact";
import { ask, type Event, may, type Run } from "../api.ts";
import { useLive, useLoad, useSession } from "../live.ts";
import { Act, Command, Empty, Outcome, Page, Pill, Time, When } from "../parts/basics.tsx";
import { begin } from "../parts/begin.ts";
import { size, span, typed } from "../words.ts";

const CHANGES: ReadonlySet<string> = new Set(["restore", "undo", "rollback", "deploy"]);

/** One command from its beginning to its end. The page may be closed: it goes on. */
export function RunPage({ id }: { id: string }): JSX.Element {
  const known = useLive().runs.get(id);
  const loaded = useLoad<Run>(`/runs/${id}`);
  const read = loaded.state === "there" ? loaded.value : undefined;
  // Whichever of the two has heard more.
  const run = (known?.events.length ?? 0) > 0 ? known : (read ?? known);
  if (run === undefined && loaded.state === "failed" && loaded.error.status === 404) {
    return (
      <Page title="Run">
        <Empty title="The service was restarted since, and does not know this run any more.">
          <p>
            What was begun went on to its end or went back: see <a href="#/activity">Activity</a>.
          </p>
        </Empty>
      </Page>
    );
  }
  return (
    <Page title={run === undefined ? "Run" : typed(run.command)}>
      {run === undefined ? (
        <When loaded={loaded}>{(value) => <Running run={value} />}</When>
      ) : (
        <Running run={run} />
      )}
    </Page>
  );
}

function Running({ run }: { run: Run }): JSX.Element {
  const session = useSession();
  const { end } = run;
  return (
    <>
      <p class="lead" role="status">
        {end === undefined ? <Pill tone="plain">under way</Pill> : <End run={run} />} by {run.who},
        begun <Time at={run.started} />
      </p>
      {end === undefined && (
        <>
          <Progress run={run} />
          <p class="quiet">You can close this page: it goes on.</p>
          {may(session, "operate") && (
            <Act
              label="Stop, and go back"
              kind="danger"
              work={async () => void (await ask(`/runs/${run.id}`, undefined, "DELETE"))}
            />
          )}
        </>
      )}
      <Steps events={run.events} />
      {end !== undefined && <After run={run} />}
      <Command words={run.command} />
    </>
  );
}

function End({ run: { end } }: { run: Run }): JSX.Element {
  const outcome = end?.value?.["outcome"] ?? end?.value?.["verdict"];
  if (typeof outcome === "string") return <Outcome of={outcome} />;
  return end?.exit === 0 ? <Pill tone="good">done</Pill> : <Pill tone="bad">not done</Pill>;
}

function Progress({ run: { progress } }: { run: Run }): JSX.Element | null {
  if (progress === undefined) return <progress aria-label="Under way" />;
  const { step, bytesDone, bytesTotal } = progress;
  return (
    <div>
      <progress
        aria-label={step}
        {...(bytesTotal === undefined ? {} : { value: bytesDone, max: bytesTotal })}
      />
      <p class="quiet">
        {step} {size(bytesDone)} {bytesTotal !== undefined && `of ${size(bytesTotal)}`}
      </p>
    </div>
  );
}

function Steps({ events }: { events: readonly Event[] }): JSX.Element | null {
  if (events.length === 0) return null;
  const finished = new Map(
    events
      .filter(({ type }) => type === "step.finished")
      .map((one) => [one["step"], one["elapsedMs"]]),
  );
  return (
    <ol class="steps live" aria-label="Steps">
      {events
        .filter(({ type }) => type !== "step.finished")
        .map((event, at) => (
          <li key={at} class={event.type.replace(".", "-")}>
            <Said event={event} finished={finished.get(event["step"]) as number | undefined} />
          </li>
        ))}
    </ol>
  );
}

function Said({ event, finished }: { event: Event; finished: number | undefined }): JSX.Element {
  if (event.type === "step.started") {
    return (
      <>
        <span aria-hidden="true">{finished === undefined ? "…" : "✓"}</span> {String(event["step"])}{" "}
        {finished !== undefined && <span class="quiet">{span(finished)}</span>}
      </>
    );
  }
  if (event.type === "back.began") {
    return (
      <>
        <Pill tone="warn">goes back to {String(event["depth"])}</Pill> {String(event["reason"])}
      </>
    );
  }
  if (event.type === "back.ended") return <Outcome of={String(event["outcome"])} />;
  return (
    <>
      {event.type === "warning" ? (
        <Pill tone="warn">{String(event["message"])}</Pill>
      ) : (
        String(event["message"])
      )}
    </>
  );
}

/** What came of it, and what can be done now. */
function After({ run: { command, end } }: { run: Run }): JSX.Element {
  const value = end?.value ?? {};
  const error =
    end?.error ??
    (typeof value["error"] === "string"
      ? { message: value["error"], hint: value["hint"] as string }
      : undefined);
  const [verb = ""] = command;
  const operation = value["operation"];
  const isChange =
    CHANGES.has(verb) && value["outcome"] === "committed" && !command.includes("--plan");
  return (
    <section class="card">
      {error !== undefined && (
        <div class="notice bad" role="alert">
          <p>
            <strong>{error.message}</strong>
          </p>
          {error.hint !== undefined && <p>{error.hint}</p>}
        </div>
      )}
      {isChange && typeof operation === "string" && <KeepOrUndo operation={operation} />}
      {typeof value["stamp"] === "string" && (
        <p>
          Point <a href={`#/points/${value["stamp"]}`}>{value["stamp"]}</a>
        </p>
      )}
      {verb === "drill" && typeof value["id"] === "string" && (
        <p>
          The evidence: <a href={`#/drills/${value["id"]}`}>{value["id"]}</a>
        </p>
      )}
      <details>
        <summary>All of the answer</summary>
        <pre>{JSON.stringify(end, undefined, 2)}</pre>
      </details>
    </section>
  );
}

/** What was live before lies aside until somebody says which of the two is right, or its time is over. */
function KeepOrUndo({ operation }: { operation: string }): JSX.Element {
  const session = useSession();
  const loaded = useLoad<{ undoable: { operation: string; until: string }[] }>("/undoable");
  return (
    <When loaded={loaded}>
      {({ undoable }) => {
        const found = undoable.find((one) => one.operation === operation);
        if (found === undefined) {
          return <p class="quiet">It was kept or undone since, or its time for that is over.</p>;
        }
        return (
          <>
            <h2>Is all as it should be?</h2>
            <p>
              The checks were good. Look at it yourself; what was live before lies aside until{" "}
              <Time at={found.until} />.
            </p>
            {may(session, "operate") && (
              <div class="actions">
                <Act
                  label="Keep"
                  kind="main"
                  work={async () => await begin("keep", { operation })}
                />
                <Act
                  label="Undo"
                  kind="danger"
                  work={async () => await begin("undo", { operation })}
                />
              </div>
            )}
            <Command words={["keep", operation]} />
            <Command words={["undo", operation]} />
          </>
        );
      }}
    </When>
  );
}

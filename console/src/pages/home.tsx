import type { JSX } from "preact";
import { type Home, may } from "../api.ts";
import { useLoad, useSession } from "../live.ts";
import { Act, Commands, Page, Pill, Time, When } from "../parts/basics.tsx";
import { begin } from "../parts/begin.ts";
import { Gauge, Strip } from "../parts/charts.tsx";
import { size, span } from "../words.ts";

const STRIPS: readonly (readonly [kind: string, label: string])[] = [
  ["backup", "Backup"],
  ["check", "Verification"],
  ["drill", "Drill"],
  ["prune", "Retention"],
];

export function HomePage(): JSX.Element {
  return (
    <Page title="Home">
      <When loaded={useLoad<Home>("/home")}>{(home) => <Answer home={home} />}</When>
    </Page>
  );
}

function Answer({ home }: { home: Home }): JSX.Element {
  const newest = home.components.find(({ point }) => point !== undefined)?.point;
  return (
    <>
      <section
        class={`sentence ${home.problems.length > 0 || newest === undefined ? "bad" : "good"}`}
      >
        <p>{home.sentence}</p>
        {home.problems.length > 0 && (
          <ul class="problems">
            {home.problems.map((problem) => (
              <li key={problem}>
                <Pill tone="bad">now</Pill> {problem}
              </li>
            ))}
          </ul>
        )}
        {home.underWay.map(({ operation, kind }) => (
          <p key={operation}>
            <Pill tone="plain">under way</Pill> {kind} <code>{operation}</code>: what somebody else
            has begun, or a service before this one.
          </p>
        ))}
        <Actions newest={newest} />
      </section>
      <Components home={home} />
      <Strips home={home} />
      <div class="columns">
        <Jobs home={home} />
        <Space home={home} />
      </div>
    </>
  );
}

function Actions({ newest }: { newest: string | undefined }): JSX.Element {
  const session = useSession();
  return (
    <div class="actions">
      {may(session, "backup") && (
        <Act
          label="Back up now"
          kind="main"
          work={async () => await begin("backup", { reason: "by hand" })}
        />
      )}
      {may(session, "backup") && newest !== undefined && (
        <Act label="Drill now" work={async () => await begin("drill", { reason: "by hand" })} />
      )}
      {newest !== undefined && (
        <a class="button" href={`#/restore/${newest}`}>
          Restore …
        </a>
      )}
      <Commands
        all={[
          ["backup", "--reason", "by hand"],
          ["drill", "--reason", "by hand"],
          ["restore", newest ?? "latest", "--plan"],
        ]}
      />
    </div>
  );
}

function Components({ home }: { home: Home }): JSX.Element {
  return (
    <section class="components" aria-label="Components">
      {home.components.map((one) => (
        <article class="card" key={one.name}>
          <h2>{one.name}</h2>
          <div class="gauges">
            <Gauge label="Data loss now" measured={one.dataLoss} />
            <Gauge
              label="Recovery time"
              measured={one.recovery}
              note={
                one.recovery.slowestMs === undefined
                  ? undefined
                  : `slowest ${span(one.recovery.slowestMs)}`
              }
            />
            <Gauge label="Since the last proof" measured={one.proof} />
          </div>
          <p class="checks">
            {one.checks.length === 0 && (
              <span class="quiet">No check was asked yet: health is unknown.</span>
            )}
            {one.checks.map(({ check, verdict, detail }) => (
              <span key={check} title={detail}>
                <Pill tone={verdict === "unknown" ? "warn" : verdict}>
                  {check}: {verdict}
                </Pill>{" "}
              </span>
            ))}
          </p>
        </article>
      ))}
    </section>
  );
}

function Strips({ home }: { home: Home }): JSX.Element {
  return (
    <section class="card">
      <h2>The last 30 days</h2>
      {STRIPS.map(([kind, label]) => (
        <Strip
          key={kind}
          label={label}
          cells={home.strips[kind] ?? []}
          isOverdue={home.jobs.some((job) => job.kind === kind && job.overdue !== undefined)}
        />
      ))}
      <p class="legend quiet">
        <Pill tone="good">done</Pill> <Pill tone="bad">failed</Pill>{" "}
        <Pill tone="warn">overdue</Pill>
      </p>
    </section>
  );
}

function Jobs({ home }: { home: Home }): JSX.Element {
  return (
    <section class="card">
      <h2>Next</h2>
      {home.jobs.length === 0 && (
        <p class="quiet">Nothing is scheduled: see schedule: in lastgood.yaml.</p>
      )}
      <ul class="plain">
        {home.jobs.map(({ job, next, succeeded, error, overdue }) => (
          <li key={job}>
            <strong>{job}</strong> {overdue !== undefined && <Pill tone="warn">overdue</Pill>}
            <br />
            next <Time at={next} />
            <br />
            last done <Time at={succeeded} />
            {error !== undefined && <p class="error">{error}</p>}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Space({ home: { space, incidents, seen } }: { home: Home }): JSX.Element {
  return (
    <section class="card">
      <h2>Room</h2>
      {space === undefined ? (
        <p class="quiet">The repository lies on no disk of this machine.</p>
      ) : (
        <>
          <p>
            {size(space.bytesFree)} of {size(space.bytesTotal)} free
          </p>
          <p class="quiet">
            {space.fullAt === undefined ? (
              "As far as one can tell it does not become full within a year."
            ) : (
              <>
                Full <Time at={space.fullAt} /> if it goes on so
              </>
            )}
          </p>
        </>
      )}
      <h2>Incidents</h2>
      {incidents.length === 0 && <p class="quiet">None is open.</p>}
      <ul class="plain">
        {incidents.map(({ id, title, detected, recovered }) => (
          <li key={id}>
            {recovered === undefined ? (
              <Pill tone="bad">lasts</Pill>
            ) : (
              <Pill tone="warn">to be described</Pill>
            )}{" "}
            <a href={`#/incidents/${id}`}>{title}</a>
            <br />
            <Time at={detected} />
          </li>
        ))}
      </ul>
      {seen !== undefined && (
        <p class="quiet">
          Points as seen <Time at={seen} />
        </p>
      )}
    </section>
  );
}

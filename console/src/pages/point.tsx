import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { type Drill, type Facts, type Home, may, type Point, type PointDetails } from "../api.ts";
import { useLoad, useSession } from "../live.ts";
import {
  Act,
  Command,
  Commands,
  Page,
  Pill,
  Outcome,
  Table,
  Time,
  When,
} from "../parts/basics.tsx";
import { begin } from "../parts/begin.ts";
import { size, span, timeOf } from "../words.ts";
import { Files } from "./files.tsx";
import { Reasons } from "./points.tsx";

export function PointPage({ stamp }: { stamp: string }): JSX.Element {
  return (
    <Page title={`Point ${stamp}`}>
      <When loaded={useLoad<PointDetails>(`/points/${stamp}`, false)}>
        {(point) => <Details point={point} />}
      </When>
    </Page>
  );
}

function Details({ point }: { point: PointDetails }): JSX.Element {
  const session = useSession();
  const listed = useLoad<{ points: Point[] }>("/points?limit=1000");
  const drills = useLoad<{ drills: Drill[] }>("/drills");
  const own =
    listed.state === "there"
      ? listed.value.points.find(({ stamp }) => stamp === point.stamp)
      : undefined;
  const used =
    drills.state === "there"
      ? drills.value.drills.filter((drill) => drill.point === point.stamp)
      : [];
  const pinned = own?.pinned ?? point.pinned;
  return (
    <>
      <p class="lead">
        {point.valid ? (
          <Pill tone="good">validated</Pill>
        ) : (
          <Pill tone="bad">invalid: {point.errors.join(", ")}</Pill>
        )}{" "}
        <Time at={timeOf(point.stamp)} /> {own !== undefined && <Reasons of={own} />}
      </p>
      <div class="actions">
        {point.valid && (
          <a class="button main" href={`#/restore/${point.stamp}`}>
            Restore …
          </a>
        )}
        {may(session, "backup") && (
          <Act
            label="Prove it again"
            work={async () => await begin("validate", { point: point.stamp })}
          />
        )}
        {may(session, "backup") && point.valid && (
          <Act
            label="Drill with it"
            work={async () => await begin("drill", { point: point.stamp })}
          />
        )}
        {may(session, "operate") && (
          <Act
            label={pinned ? "Unpin" : "Pin"}
            work={async () => await begin("keep", { [pinned ? "unpin" : "pin"]: point.stamp })}
          />
        )}
      </div>
      <Commands
        all={[
          ["restore", point.stamp],
          ["validate", point.stamp],
          ["drill", point.stamp],
          ["keep", pinned ? "--unpin" : "--pin", point.stamp],
        ]}
      />
      <dl class="facts">
        <dt>Reason</dt>
        <dd>{point.reason || "none given"}</dd>
        <dt>Stores captured</dt>
        <dd>
          {point.consistency}, within {span(point.skewMs)}
        </dd>
        <dt>Copies</dt>
        <dd>
          {own === undefined || own.copies.length === 0 ? "none known" : own.copies.join(", ")}
        </dd>
        <Releases then={point.releases ?? {}} />
        <dt>Snapshot</dt>
        <dd>
          <code>{point.snapshot.slice(0, 16)}</code>
        </dd>
      </dl>
      <Stores of={point} />
      <Warnings of={point} />
      <Compare point={point} others={listed.state === "there" ? listed.value.points : []} />
      {may(session, "operate") && <Files stamp={point.stamp} />}
      <h2>Drills that used it</h2>
      {used.length === 0 && <p class="quiet">None.</p>}
      {used.map(({ id, verdict, started }) => (
        <p key={id}>
          <Outcome of={verdict} /> <a href={`#/drills/${id}`}>{id}</a> <Time at={started} />
        </p>
      ))}
      <Command words={["show", point.stamp]} />
    </>
  );
}

/** Which releases wrote the data, beside those that would have to read them now. */
function Releases({ then }: { then: Record<string, string> }): JSX.Element | null {
  const home = useLoad<Home>("/home");
  const now = home.state === "there" ? home.value.components : [];
  const names = Object.keys(then);
  if (names.length === 0) return null;
  return (
    <>
      <dt>Written by</dt>
      <dd>
        {names.map((name) => {
          const live = now.find((one) => one.name === name)?.release;
          const isSame = live === then[name];
          return (
            <span key={name}>
              {name} {then[name]}{" "}
              {live !== undefined && (
                <Pill tone={isSame ? "good" : "warn"}>
                  {isSame ? "as it runs now" : `now runs ${live}`}
                </Pill>
              )}{" "}
            </span>
          );
        })}
      </dd>
    </>
  );
}

function Warnings({ of: point }: { of: PointDetails }): JSX.Element | null {
  if (point.warnings.length === 0) return null;
  return (
    <div class="notice warn">
      <ul>
        {point.warnings.map((warning) => (
          <li key={warning}>{warning}</li>
        ))}
      </ul>
    </div>
  );
}

function Stores({ of: point }: { of: PointDetails }): JSX.Element {
  return (
    <>
      <h2>Stores</h2>
      <Table
        caption="Stores in this point"
        head={["Store", "Kind", "Size", "Rows or files", "Where", "Found"]}
        rows={Object.entries(point.stores).map(([name, store]) => ({
          key: name,
          cells: [
            name,
            store.kind,
            store.facts === undefined ? "absent" : size(store.facts.bytes),
            amount(store.facts),
            <code>{store.path}</code>,
            store.errors.length === 0 ? (
              <Pill tone="good">sound</Pill>
            ) : (
              <Pill tone="bad">{store.errors.join(", ")}</Pill>
            ),
          ],
        }))}
      />
    </>
  );
}

function amount(facts: Facts | undefined): string {
  const rows = Object.entries(facts?.rows ?? {});
  if (rows.length > 0) return rows.map(([table, count]) => `${table} ${count}`).join(", ");
  return facts?.files === undefined ? "" : `${facts.files} files`;
}

/** What another point has more or less. */
function Compare({
  point,
  others,
}: {
  point: PointDetails;
  others: readonly Point[];
}): JSX.Element {
  const [other, setOther] = useState("");
  const loaded = useLoad<PointDetails>(other === "" ? undefined : `/points/${other}`, false);
  return (
    <section>
      <h2>Compare</h2>
      <label for="other">with </label>
      <select id="other" value={other} onChange={(event) => setOther(event.currentTarget.value)}>
        <option value="">choose a point</option>
        {others
          .filter(({ stamp }) => stamp !== point.stamp)
          .map(({ stamp }) => (
            <option key={stamp}>{stamp}</option>
          ))}
      </select>
      {other !== "" && (
        <When loaded={loaded}>{(with_) => <Differences a={point} b={with_} />}</When>
      )}
    </section>
  );
}

function Differences({ a, b }: { a: PointDetails; b: PointDetails }): JSX.Element {
  const rows = [...new Set([...Object.keys(a.stores), ...Object.keys(b.stores)])].flatMap(
    (store) => {
      const [here, there] = [a.stores[store]?.facts, b.stores[store]?.facts];
      const tables = [
        ...new Set([...Object.keys(here?.rows ?? {}), ...Object.keys(there?.rows ?? {})]),
      ];
      const counts: (readonly [string, number | undefined, number | undefined])[] = [
        ["bytes", here?.bytes, there?.bytes],
        ["files", here?.files, there?.files],
        ...tables.map(
          (table) => [`rows of ${table}`, here?.rows?.[table], there?.rows?.[table]] as const,
        ),
      ];
      return counts
        .filter(([, one, two]) => one !== two)
        .map(([what, one, two]) => ({
          key: `${store} ${what}`,
          cells: [store, what, one ?? "–", two ?? "–", difference(one, two)],
        }));
    },
  );
  if (rows.length === 0) return <p class="quiet">As many rows, files and bytes in each store.</p>;
  return (
    <Table
      caption="Differences"
      head={["Store", "What", a.stamp, b.stamp, "Difference"]}
      rows={rows}
    />
  );
}

function difference(one = 0, two = 0): string {
  return two >= one ? `+${two - one}` : String(two - one);
}

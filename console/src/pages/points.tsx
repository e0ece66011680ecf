import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ask, type Point } from "../api.ts";
import { useLoad } from "../live.ts";
import { Act, Command, Empty, Page, Pill, Table, Time, When } from "../parts/basics.tsx";
import { timeOf } from "../words.ts";

type Listed = { seen?: string; total: number; points: Point[] };

export function PointsPage(): JSX.Element {
  return (
    <Page title="Recovery points">
      <When loaded={useLoad<Listed>("/points?limit=100")}>
        {(listed) => <Points listed={listed} />}
      </When>
    </Page>
  );
}

function Points({ listed }: { listed: Listed }): JSX.Element {
  const [more, setMore] = useState<readonly Point[]>([]);
  const [text, setText] = useState("");
  const points = [
    ...listed.points,
    ...more.filter(({ stamp }) => !listed.points.some((one) => one.stamp === stamp)),
  ];
  const found = points.filter((point) =>
    JSON.stringify(point).toLowerCase().includes(text.toLowerCase()),
  );
  const loadMore = async (): Promise<void> => {
    const { points: next } = await ask<Listed>(`/points?limit=500&before=${points.at(-1)?.stamp}`);
    setMore([...more, ...next]);
  };
  if (points.length === 0) {
    return (
      <Empty title="No recovery point yet.">
        <Command words={["backup"]} />
      </Empty>
    );
  }
  return (
    <>
      <div class="filter">
        <label for="filter">Show those with</label>
        <input
          id="filter"
          type="search"
          value={text}
          placeholder="a store, a date, pinned"
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <span class="quiet">
          {found.length} of {listed.total}
          {listed.seen !== undefined && (
            <>
              , as seen <Time at={listed.seen} />
            </>
          )}
        </span>
      </div>
      <Table
        caption="Recovery points, newest first"
        head={["Point", "State", "Stores", "Releases", "Kept as", ""]}
        rows={found.map((point) => ({
          key: point.stamp,
          cells: [
            <>
              <a href={`#/points/${point.stamp}`}>{point.stamp}</a>
              <br />
              <Time at={timeOf(point.stamp)} />
            </>,
            point.valid ? (
              <Pill tone="good">validated</Pill>
            ) : (
              <Pill tone="bad">invalid: {point.errors.join(", ")}</Pill>
            ),
            point.stores.join(", "),
            Object.entries(point.releases)
              .map(([name, release]) => `${name} ${release}`)
              .join(", "),
            <Reasons of={point} />,
            point.valid ? <a href={`#/restore/${point.stamp}`}>Restore …</a> : "",
          ],
        }))}
      />
      {points.length < listed.total && <Act label="Show more" work={loadMore} />}
      <Command words={["points"]} />
    </>
  );
}

/** Why a point stays; one that the next clean-up takes says so. */
export function Reasons({
  of: { reasons, until },
}: {
  of: Pick<Point, "reasons" | "until">;
}): JSX.Element {
  if (reasons.length === 0) return <Pill tone="warn">goes with the next forget</Pill>;
  return (
    <>
      {reasons.map((reason) => (
        <span key={reason}>
          <Pill tone="plain">{reason.replace(" snapshot", "")}</Pill>{" "}
        </span>
      ))}
      {until !== undefined && <span class="quiet">until about {until.slice(0, 10)}</span>}
    </>
  );
}

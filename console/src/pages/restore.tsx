import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ask, type Home, may, type PointDetails } from "../api.ts";
import { useLoad, useSession } from "../live.ts";
import { Act, Command, Empty, Failed, Page, Time, When } from "../parts/basics.tsx";
import { begin } from "../parts/begin.ts";
import { Confirm, Loss, PlanSteps } from "../parts/confirm.tsx";
import { size, span, timeOf } from "../words.ts";

type Preview = {
  stamp: string;
  steps: string[];
  wayBack: string[];
  bytes: number;
  space: { folder: string; bytesNeeded: number; bytesFree: number; enough: boolean }[];
  loss: Record<string, string[]>;
  stale: string[];
  rebuilds: { store: string; command: string[]; costs: string }[];
};

/** Choose, see the plan, try it apart, type the name, do it: the run's page goes on from there. */
export function RestorePage({ stamp }: { stamp: string }): JSX.Element {
  const session = useSession();
  const [store, setStore] = useState("");
  const home = useLoad<Home>("/home", false);
  const point = useLoad<PointDetails>(`/points/${stamp}`, false);
  const options = store === "" ? { point: stamp } : { point: stamp, store };
  const command = ["restore", stamp, ...(store === "" ? [] : ["--store", store])];
  return (
    <Page title={`Restore ${stamp}`}>
      <p class="lead">
        Brings data back to <Time at={timeOf(stamp)} />. What is live now is set aside first; if
        anything goes wrong, or a check is bad afterwards, it is live again by itself.
      </p>
      <When loaded={point}>
        {({ stores }) => (
          <p>
            <label for="store">What </label>
            <select
              id="store"
              value={store}
              onChange={(event) => setStore(event.currentTarget.value)}
            >
              <option value="">everything in the point</option>
              {Object.keys(stores).map((name) => (
                <option key={name} value={name.slice(name.indexOf("/") + 1)}>
                  {name}
                </option>
              ))}
            </select>
          </p>
        )}
      </When>
      <Command words={[...command, "--plan"]} />
      {!may(session, "backup") && (
        <Empty title="Your token may only read: the plan needs backup, the restore operate." />
      )}
      {may(session, "backup") && (
        <Planned options={options} home={home.state === "there" ? home.value : undefined} />
      )}
      {may(session, "operate") && home.state === "there" && (
        <>
          <section class="card">
            <h2>Try it first</h2>
            <p>
              A drill restores this point into a place apart, starts it there and asks its checks.
              What is live is not touched.
            </p>
            <Act
              label="Dry run"
              work={async () => await begin("drill", { point: stamp, reason: "before a restore" })}
            />
          </section>
          <Confirm
            system={home.value.system}
            label="Restore"
            work={async (reason) =>
              await begin("restore", { ...options, ...(reason === "" ? {} : { reason }) })
            }
          />
          <Command words={command} />
        </>
      )}
    </Page>
  );
}

function Planned({ options, home }: { options: object; home: Home | undefined }): JSX.Element {
  const [plan, setPlan] = useState<Preview>();
  const [error, setError] = useState<Error>();
  const key = JSON.stringify(options);
  useEffect(() => {
    setPlan(undefined);
    setError(undefined);
    ask<Preview>("/plan/restore", options).then(setPlan, setError);
  }, [key]);
  if (error !== undefined) return <Failed error={error} />;
  if (plan === undefined) return <p role="status">The plan is being made …</p>;
  const recovery = home?.components.find(({ recovery: { ms } }) => ms !== undefined)?.recovery;
  return (
    <>
      <Loss loss={plan.loss} />
      <dl class="facts">
        <dt>Bytes</dt>
        <dd>{size(plan.bytes)}</dd>
        <dt>Expected time</dt>
        <dd>
          {recovery?.ms === undefined
            ? "unknown: no drill measured it yet"
            : `about ${span(recovery.ms)}, as in the last drills`}
        </dd>
        {plan.space.map(({ folder, bytesNeeded, bytesFree, enough }) => (
          <>
            <dt>Room in {folder}</dt>
            <dd>
              {size(bytesNeeded)} of {size(bytesFree)} free {enough ? "" : "✕ not enough"}
            </dd>
          </>
        ))}
        {plan.stale.length > 0 && (
          <>
            <dt>Stay as they are</dt>
            <dd>{plan.stale.join(", ")}: the point has nothing of them</dd>
          </>
        )}
        {plan.rebuilds.map(({ store, costs }) => (
          <>
            <dt>Made anew</dt>
            <dd>
              {store} ({costs})
            </dd>
          </>
        ))}
      </dl>
      <PlanSteps title="What will be done" steps={plan.steps} />
      <PlanSteps title="The way back, should it fail" steps={plan.wayBack} />
    </>
  );
}

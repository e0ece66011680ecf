import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ask, type Home, may } from "../api.ts";
import { useLoad, useSession } from "../live.ts";
import { Command, Empty, Failed, Outcome, Page } from "../parts/basics.tsx";
import { begin } from "../parts/begin.ts";
import { Confirm, Loss, PlanSteps } from "../parts/confirm.tsx";

type Preview = {
  from?: string;
  to: string;
  verdict: string;
  data?: { stamp?: string; from?: string };
  loss: Record<string, string[]>;
  plan: { steps: string[]; ways: { depth: string; steps: string[] }[] };
};

type Data = "as-needed" | "with-data" | "code-only";

const FLAGS: Record<Data, Record<string, boolean>> = {
  "as-needed": {},
  "with-data": { withData: true },
  "code-only": { codeOnly: true },
};

export function RollbackPage({ component, to }: { component: string; to: string }): JSX.Element {
  const session = useSession();
  const home = useLoad<Home>("/home", false);
  const [data, setData] = useState<Data>("as-needed");
  const [isForced, setForced] = useState(false);
  const [plan, setPlan] = useState<Preview>();
  const [error, setError] = useState<Error>();
  const options = { component, to, ...FLAGS[data], ...(isForced ? { force: true } : {}) };
  const flags = [...(data === "as-needed" ? [] : [`--${data}`]), ...(isForced ? ["--force"] : [])];
  useEffect(() => {
    setPlan(undefined);
    setError(undefined);
    if (may(session, "backup")) ask<Preview>("/plan/rollback", options).then(setPlan, setError);
  }, [component, to, data, isForced]);
  return (
    <Page title={`Roll back ${component} to ${to}`}>
      <p>
        <label for="data">Data </label>
        <select
          id="data"
          value={data}
          onChange={(event) => setData(event.currentTarget.value as Data)}
        >
          <option value="as-needed">go back only where the release could not read them</option>
          <option value="with-data">go back to those with which it ran</option>
          <option value="code-only">stay as they are</option>
        </select>
      </p>
      <p>
        <label class="inline">
          <input
            type="checkbox"
            checked={isForced}
            onChange={(event) => setForced(event.currentTarget.checked)}
          />
          also if it is marked as bad
        </label>
      </p>
      <Command words={["rollback", component, "--to", to, ...flags, "--plan"]} />
      {!may(session, "backup") && <Empty title="Your token may only read." />}
      {error !== undefined && <Failed error={error} />}
      {plan === undefined && error === undefined && may(session, "backup") && (
        <p role="status">The plan is being made …</p>
      )}
      {plan !== undefined && (
        <>
          <p class="lead">
            From {plan.from ?? "nothing"} to {plan.to}: <Outcome of={plan.verdict} />
            {plan.data !== undefined && " The data go back too."}
          </p>
          <Loss loss={plan.loss} />
          <PlanSteps title="What will be done" steps={plan.plan.steps} />
          {plan.plan.ways.map(({ depth, steps }) => (
            <PlanSteps
              key={depth}
              title={`The way back to ${depth}, should it fail`}
              steps={steps}
            />
          ))}
        </>
      )}
      {plan !== undefined && may(session, "operate") && home.state === "there" && (
        <Confirm
          system={home.value.system}
          label="Roll back"
          work={async (reason) =>
            await begin("rollback", { ...options, ...(reason === "" ? {} : { reason }) })
          }
        />
      )}
    </Page>
  );
}

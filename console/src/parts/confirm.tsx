import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Act } from "./basics.tsx";

/** Nothing that changes what is live happens by a slip: who means it types the name of the system. */
export function Confirm({
  system,
  label,
  work,
}: {
  system: string;
  label: string;
  work: (reason: string) => Promise<void>;
}): JSX.Element {
  const [name, setName] = useState("");
  const [reason, setReason] = useState("");
  return (
    <section class="card confirm">
      <h2>Do it</h2>
      <label for="reason">Why, for the history</label>
      <input id="reason" value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
      <label for="name">
        Type <strong>{system}</strong>, the name of the system
      </label>
      <input
        id="name"
        autocomplete="off"
        value={name}
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <Act
        label={label}
        kind="danger"
        disabled={name !== system}
        work={async () => await work(reason)}
      />
    </section>
  );
}

/** Steps of a plan, as they will be done, and the way back. */
export function PlanSteps({
  title,
  steps,
}: {
  title: string;
  steps: readonly string[];
}): JSX.Element {
  return (
    <details open={steps.length <= 14}>
      <summary>
        {title} ({steps.length} steps)
      </summary>
      <ol class="steps">
        {steps.map((step, at) => (
          <li key={`${at} ${step}`}>
            <code>{step}</code>
          </li>
        ))}
      </ol>
    </details>
  );
}

/** What would be lost, store by store. */
export function Loss({ loss }: { loss: Record<string, string[]> }): JSX.Element {
  const stores = Object.entries(loss);
  const isNothing = stores.every(([, lines]) => lines.length === 0);
  return (
    <section class={`notice ${isNothing ? "good" : "warn"}`}>
      <h2>What would be lost</h2>
      {isNothing && <p>Nothing: what is live is as it was then.</p>}
      {stores
        .filter(([, lines]) => lines.length > 0)
        .map(([store, lines]) => (
          <div key={store}>
            <strong>{store}</strong>
            <ul>
              {lines.map((line) => (
                <li key={line}>{line}</li>
              ))}
            </ul>
          </div>
        ))}
      <p class="quiet">It is set aside, and undo puts it back.</p>
    </section>
  );
}

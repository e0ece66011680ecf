import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api.ts";
import type { Loaded } from "../live.ts";
import { moment, outcomeWords, relative, type Tone, typed } from "../words.ts";

const MARKS: Record<Tone, string> = { good: "✓", warn: "!", bad: "✕", plain: "·" };

/** Colour is never the only signal: the mark and the word say the same. */
export function Pill({ tone, children }: { tone: Tone; children: ComponentChildren }): JSX.Element {
  return (
    <span class={`pill ${tone}`}>
      <span aria-hidden="true">{MARKS[tone]}</span> {children}
    </span>
  );
}

export function Outcome({ of }: { of: string | undefined }): JSX.Element {
  const { text, tone } = outcomeWords(of);
  return <Pill tone={tone}>{text}</Pill>;
}

/** Both as people say it and exactly. */
export function Time({ at }: { at: string | undefined }): JSX.Element {
  const [, setTick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setTick((tick) => tick + 1), 15_000);
    return () => clearInterval(timer);
  }, []);
  if (at === undefined) return <span class="quiet">never</span>;
  return (
    <time dateTime={at} title={at} class="time">
      {relative(at)} <span class="quiet">{moment(at)}</span>
    </time>
  );
}

/** The command that does the same. */
export function Command({ words }: { words: readonly string[] }): JSX.Element {
  const [isCopied, setCopied] = useState(false);
  const code = useRef<HTMLElement>(null);
  const text = typed(words);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without TLS a browser does not let us: then at least it is selected.
      if (code.current !== null) getSelection()?.selectAllChildren(code.current);
      return;
    }
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return (
    <div class="command">
      <code ref={code}>{text}</code>
      <button type="button" class="small" onClick={() => void copy()} aria-label={`Copy: ${text}`}>
        {isCopied ? "Copied" : "Copy"}
      </button>
    </div>
  );
}

/** The same for several actions, for who wants to see them. */
export function Commands({ all }: { all: readonly (readonly string[])[] }): JSX.Element {
  return (
    <details class="commands">
      <summary>The same by command</summary>
      {all.map((words) => (
        <div key={words.join(" ")}>
          <Command words={words} />
        </div>
      ))}
    </details>
  );
}

export function Failed({ error, retry }: { error: Error; retry?: () => void }): JSX.Element {
  const hint = error instanceof ApiError ? error.hint : undefined;
  return (
    <div class="notice bad" role="alert">
      <p>
        <strong>{error.message}</strong>
      </p>
      {hint !== undefined && <p>{hint}</p>}
      {retry !== undefined && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Empty({
  title,
  children,
}: {
  title: string;
  children?: ComponentChildren;
}): JSX.Element {
  return (
    <div class="empty">
      <p>
        <strong>{title}</strong>
      </p>
      {children}
    </div>
  );
}

/** What is loading, what failed, and what is there. */
export function When<T>({
  loaded,
  children,
}: {
  loaded: Loaded<T>;
  children: (value: T) => ComponentChildren;
}): JSX.Element {
  if (loaded.state === "there") return <>{children(loaded.value)}</>;
  if (loaded.state === "failed") return <Failed error={loaded.error} retry={loaded.retry} />;
  return (
    <div class="loading" role="status">
      <span class="visually-hidden">Loading</span>
      <div class="bone" />
      <div class="bone short" />
      <div class="bone" />
    </div>
  );
}

/** A table that becomes cards where there is no room for it. */
export function Table({
  caption,
  head,
  rows,
}: {
  caption: string;
  head: readonly string[];
  rows: readonly { key: string; cells: readonly ComponentChildren[] }[];
}): JSX.Element {
  return (
    <table>
      <caption class="visually-hidden">{caption}</caption>
      <thead>
        <tr>
          {head.map((one) =>
            one === "" ? (
              <td key={one} />
            ) : (
              <th scope="col" key={one}>
                {one}
              </th>
            ),
          )}
        </tr>
      </thead>
      <tbody>
        {rows.map(({ key, cells }) => (
          <tr key={key}>
            {cells.map((cell, at) => (
              <td data-head={head[at]} key={head[at]}>
                {cell}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Page({
  title,
  children,
}: {
  title: string;
  children: ComponentChildren;
}): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · lastgood`;
    // Who uses a keyboard or a screen reader is where the new page begins.
    heading.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [title]);
  return (
    <>
      <h1 tabIndex={-1} ref={heading}>
        {title}
      </h1>
      {children}
    </>
  );
}

/** A button that does something and says what became of it. */
export function Act({
  label,
  work,
  kind = "plain",
  disabled = false,
}: {
  label: string;
  work: () => Promise<void>;
  kind?: "plain" | "main" | "danger";
  disabled?: boolean;
}): JSX.Element {
  const [isWorking, setWorking] = useState(false);
  const [error, setError] = useState<Error>();
  const act = async (): Promise<void> => {
    setWorking(true);
    setError(undefined);
    try {
      await work();
    } catch (thrown) {
      setError(thrown as Error);
    } finally {
      setWorking(false);
    }
  };
  return (
    <>
      <button
        type="button"
        class={kind}
        disabled={disabled || isWorking}
        onClick={() => void act()}
      >
        {label}
      </button>
      {error !== undefined && <Failed error={error} />}
    </>
  );
}

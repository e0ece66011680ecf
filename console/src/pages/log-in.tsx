import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ask, type Session } from "../api.ts";
import { Command, Failed } from "../parts/basics.tsx";

export function LogIn({ onEnter }: { onEnter: (session: Session) => void }): JSX.Element {
  const [token, setToken] = useState("");
  const [error, setError] = useState<Error>();
  const enter = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      onEnter(await ask<Session>("/session", { token }));
    } catch (thrown) {
      setError(thrown as Error);
    }
  };
  return (
    <main class="log-in">
      <img src="/icon.svg" alt="" width="56" height="56" />
      <h1>lastgood</h1>
      <form onSubmit={(event) => void enter(event)}>
        <label for="token">Token</label>
        <input
          id="token"
          type="password"
          autocomplete="current-password"
          required
          value={token}
          onInput={(event) => setToken(event.currentTarget.value)}
        />
        <button class="main">Log in</button>
      </form>
      {error !== undefined && <Failed error={error} />}
      <p class="quiet">On the machine itself somebody who may makes one:</p>
      <Command words={["token", "add", "NAME", "--scope", "admin"]} />
    </main>
  );
}

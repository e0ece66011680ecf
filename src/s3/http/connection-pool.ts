import { Connection, type Server } from "./connection.ts";

/** Connections to a server, each for one request at a time. */
export type ConnectionPool = Disposable & {
  /** One that is free. Waits while there are as many as may be; rejects when the signal aborts. */
  take(signal: AbortSignal): Promise<Connection>;
};

export function openPool(server: Server, connectionsMax: number): ConnectionPool {
  const open = new Set<Connection>();
  const idle = new Set<Connection>();
  const turns = takeTurns();
  let isClosed = false;

  const start = (): Connection => {
    const connection = new Connection(server);
    open.add(connection);
    connection.onIdle = () => {
      idle.add(connection);
      turns.next();
    };
    connection.onClosed = () => {
      open.delete(connection);
      idle.delete(connection);
      turns.next();
    };
    return connection;
  };
  const mayStart = (): boolean =>
    open.size < connectionsMax && ![...open].some(({ isEnding }) => isEnding);
  return {
    async take(signal) {
      for (;;) {
        signal.throwIfAborted();
        if (isClosed) throw new Error("the connections are closed");
        const [free] = idle;
        const connection = free ?? (mayStart() ? start() : undefined);
        if (connection === undefined) {
          await turns.wait(signal);
          continue;
        }
        idle.delete(connection);
        // There may be room for one more.
        if (idle.size > 0 || mayStart()) turns.next();
        return connection;
      }
    },
    [Symbol.dispose]() {
      isClosed = true;
      for (const connection of open) connection.destroy();
      turns.all();
    },
  };
}

/** Those who wait until it is worth looking again, in the order in which they came. */
function takeTurns(): {
  next(): void;
  all(): void;
  wait(signal: AbortSignal): Promise<void>;
} {
  const waiting: (() => void)[] = [];
  const next = (): void => waiting.shift()?.();
  return {
    next,
    all() {
      for (const wake of waiting.splice(0)) wake();
    },
    async wait(signal) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const stop = (): void => {
        const at = waiting.indexOf(resolve);
        // Who was woken already and goes now leaves its turn to the next.
        if (at === -1) next();
        else waiting.splice(at, 1);
        resolve();
      };
      waiting.push(resolve);
      signal.addEventListener("abort", stop, { once: true });
      await promise;
      signal.removeEventListener("abort", stop);
      signal.throwIfAborted();
    },
  };
}

import type { AnswerHead } from "./answer-head.ts";
import { Connection, type Server } from "./connection.ts";

/** What an answer says of an object, and its bytes. One that is not read to its end is to be disposed of. */
export type Answer = Disposable & {
  readonly headers: AnswerHead["headers"];
  readonly sizeBytes: number;
  /** Puts the next bytes where they are to lie. Fewer when the connection breaks; the next call rejects then. */
  read(target: Uint8Array): Promise<number>;
  /** What was not read yet. Rejects when the connection breaks. */
  pieces(): AsyncGenerator<Uint8Array>;
};

/** Connections to a server, kept for what is asked next. */
export type Connections = Disposable & {
  /** Undefined: there is no answer, or another one. Rejects when the signal aborts. */
  ask(request: string, status: number, signal: AbortSignal): Promise<Answer | undefined>;
};

const PIECE_BYTES = 512 * 1024;

export function openConnections(server: Server, connectionsMax: number): Connections {
  const open = new Set<Connection>();
  const idle: Connection[] = [];
  const waiting: (() => void)[] = [];

  const take = async (signal: AbortSignal): Promise<Connection> => {
    for (;;) {
      const next = idle.pop();
      if (next !== undefined) return next;
      if (open.size < connectionsMax) return start();
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push(resolve);
      const wake = (): void => resolve();
      signal.addEventListener("abort", wake, { once: true });
      await promise;
      signal.removeEventListener("abort", wake);
      if (!signal.aborted) continue;
      // It may have been woken for what another one waits for as well.
      waiting.shift()?.();
      signal.throwIfAborted();
    }
  };
  const start = (): Connection => {
    const connection = new Connection(server);
    open.add(connection);
    connection.onClosed = () => {
      open.delete(connection);
      if (idle.includes(connection)) idle.splice(idle.indexOf(connection), 1);
    };
    return connection;
  };

  return {
    async ask(request, status, signal) {
      signal.throwIfAborted();
      const connection = await take(signal);
      const stop = (): void => connection.destroy(signal.reason);
      signal.addEventListener("abort", stop, { once: true });
      const leave = (): void => {
        signal.removeEventListener("abort", stop);
        if (connection.isIdle) idle.push(connection);
        waiting.shift()?.();
      };
      const head = await connection.ask(request).catch(() => undefined);
      if (head?.status === status && !signal.aborted) return answerOf(connection, head, leave);
      connection.destroy();
      leave();
      signal.throwIfAborted();
      return undefined;
    },
    [Symbol.dispose]() {
      for (const connection of open) connection.destroy();
    },
  };
}

function answerOf(connection: Connection, { headers }: AnswerHead, leave: () => void): Answer {
  const sizeBytes = connection.bytesLeft;
  let left = sizeBytes;
  let hasLeft = false;
  const end = (): void => {
    if (hasLeft) return;
    hasLeft = true;
    leave();
  };
  if (left === 0) end();
  const read: Answer["read"] = async (target) => {
    try {
      const bytes = await connection.read(target);
      left -= bytes;
      if (left === 0) end();
      return bytes;
    } catch (error) {
      end();
      throw error;
    }
  };
  const dispose = (): void => {
    if (left > 0) connection.destroy();
    end();
  };
  return {
    headers,
    sizeBytes,
    read,
    async *pieces() {
      try {
        for (;;) {
          if (left === 0) return;
          const piece = new Uint8Array(Math.min(left, PIECE_BYTES));
          yield piece.subarray(0, await read(piece));
        }
      } finally {
        dispose();
      }
    },
    [Symbol.dispose]: dispose,
  };
}

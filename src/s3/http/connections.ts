import type { AnswerHead } from "./answer-head.ts";
import type { Connection, Server } from "./connection.ts";
import { openPool } from "./connection-pool.ts";

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
  const pool = openPool(server, connectionsMax);
  return {
    async ask(request, status, signal) {
      const connection = await pool.take(signal);
      const stop = (): void => connection.destroy(signal.reason);
      signal.addEventListener("abort", stop, { once: true });
      const leave = (): void => signal.removeEventListener("abort", stop);
      const head = await connection.ask(request).catch(() => undefined);
      if (head?.status === status && !signal.aborted) return answerOf(connection, head, leave);
      connection.destroy();
      leave();
      signal.throwIfAborted();
      return undefined;
    },
    [Symbol.dispose]: () => pool[Symbol.dispose](),
  };
}

function answerOf(connection: Connection, { headers }: AnswerHead, leave: () => void): Answer {
  const sizeBytes = connection.bytesLeft;
  let left = sizeBytes;
  if (left === 0) leave();
  const read: Answer["read"] = async (target) => {
    try {
      const bytes = await connection.read(target);
      left -= bytes;
      if (left === 0) leave();
      return bytes;
    } catch (error) {
      leave();
      throw error;
    }
  };
  const dispose = (): void => {
    if (left > 0) connection.destroy();
    leave();
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

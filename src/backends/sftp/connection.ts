import { startProgram, type RunningProgram } from "../../base/exec-stream.ts";
import type { Command } from "../../base/exec.ts";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { environmentOf } from "../../base/host.ts";
import { unlessAborted } from "../../base/unless-aborted.ts";
import { type Field, Fields, packet, PACKET_BYTES_MAX, STATUS, TYPE } from "./packets.ts";

/** What a server answers when it does not do what was asked. */
export class SftpFailure extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Requests over one connection, any number at a time. UNAVAILABLE once it is gone, or silent; WRONG_KEY. */
export type Connection = AsyncDisposable & {
  /** The extensions that the server has. */
  readonly extensions: ReadonlySet<string>;
  readonly isOpen: boolean;
  /** The answer's fields behind its id; SftpFailure with the status of anything but success. */
  ask(type: number, fields: readonly Field[], run: Run): Promise<Fields>;
};

const VERSION = 3;
const END_MS_MAX = 3000;
/** A server that says nothing for so long while something is asked is given up. */
const SILENCE_MS_MAX = 120_000;

type Waiting = { readonly done: (answer: Fields) => void; readonly failed: (error: Error) => void };

/** Starts ssh, which has to ask nobody, and greets the server. UNAVAILABLE with ssh's last words. */
export async function connect(command: Command, label: string): Promise<Connection> {
  const never: Run = { signal: new AbortController().signal, report: () => {} };
  const program = await startProgram(command, { env: environmentOf(["SSH_AUTH_SOCK"]) }, never);
  const answers = awaitAnswers(program, command, label);
  program.input.on("error", () => {});
  const greeting = answers.expect(GREETING);
  program.input.write(packet(TYPE.init, [VERSION]));
  const extensions = await greeting.then(extensionsIn).catch((error: unknown) => {
    program.kill();
    throw error;
  });
  let nextId = GREETING + 1;
  return {
    extensions,
    get isOpen() {
      return answers.gone === undefined;
    },
    async ask(type, fields, { signal }) {
      signal.throwIfAborted();
      const id = nextId++;
      const answer = answers.expect(id);
      program.input.write(packet(type, [id, ...fields]));
      return await unlessAborted(answer, signal);
    },
    async [Symbol.asyncDispose]() {
      program.input.end();
      const late = setTimeout(program.kill, END_MS_MAX);
      program.holdUs(true);
      await program.ended;
      clearTimeout(late);
    },
  };
}

/** The greeting has no number. */
const GREETING = 0;

type Answers = {
  /** Why there are no more; undefined: there are. */
  readonly gone: AppError | undefined;
  expect(id: number): Promise<Fields>;
};

function awaitAnswers(program: RunningProgram, command: Command, label: string): Answers {
  const waiting = new Map<number, Waiting>();
  let gone: AppError | undefined;
  let timer: NodeJS.Timeout | undefined;
  const giveUp = (why: string): void => {
    gone ??= unreachable(label, why, command);
    clearTimeout(timer);
    for (const { failed } of waiting.values()) failed(gone);
    waiting.clear();
    program.input.destroy();
    program.output.destroy();
    program.kill();
  };
  const watch = (): void => {
    clearTimeout(timer);
    // Nobody ends it: it ends with us.
    program.holdUs(waiting.size > 0);
    if (waiting.size === 0) return;
    timer = setTimeout(() => giveUp("the server says nothing"), SILENCE_MS_MAX);
  };
  const take = (type: number, fields: Fields): void => {
    const id = type === TYPE.version ? GREETING : fields.number();
    const status = type === TYPE.status ? fields.number() : STATUS.ok;
    const words = status === STATUS.ok || fields.isAtEnd ? "" : fields.text();
    const one = waiting.get(id);
    waiting.delete(id);
    watch();
    if (status === STATUS.ok) one?.done(fields);
    else one?.failed(new SftpFailure(status, words));
  };
  receive(program, take).catch((error: unknown) => giveUp((error as Error).message));
  void (async () => {
    const { lastWords } = await program.ended;
    giveUp(lastWords.trim().split("\n").at(-1) || "the connection ended");
  })();
  return {
    get gone() {
      return gone;
    },
    async expect(id) {
      if (gone !== undefined) throw gone;
      const { promise, resolve, reject } = Promise.withResolvers<Fields>();
      waiting.set(id, { done: resolve, failed: reject });
      if (waiting.size === 1) watch();
      return await promise;
    },
  };
}

function unreachable(label: string, why: string, command: Command): AppError {
  // No other answer comes of asking again.
  const isRefused = /Permission denied|Host key verification failed|Too many auth/.test(why);
  return new AppError(isRefused ? "WRONG_KEY" : "UNAVAILABLE", `reach ${label}: ${why}`, {
    hint: `Try it by hand: ${command.join(" ")}`,
  });
}

async function receive(
  { output }: RunningProgram,
  take: (type: number, fields: Fields) => void,
): Promise<void> {
  let held: Buffer = Buffer.alloc(0);
  for await (const part of output as AsyncIterable<Buffer>) {
    held = held.length === 0 ? part : Buffer.concat([held, part]);
    while (held.length >= 4) {
      const length = held.readUInt32BE();
      // A shell that greets everybody writes here too.
      if (length === 0 || length > PACKET_BYTES_MAX) throw new Error("it does not speak SFTP");
      if (held.length < 4 + length) break;
      take(held[4]!, new Fields(held.subarray(5, 4 + length)));
      held = held.subarray(4 + length);
    }
  }
}

function extensionsIn(fields: Fields): ReadonlySet<string> {
  fields.number();
  const names = new Set<string>();
  while (!fields.isAtEnd) {
    names.add(fields.text());
    fields.text();
  }
  return names;
}

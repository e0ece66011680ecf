import { connect, isIP, type OnReadOpts, type Socket } from "node:net";
import { connect as connectSecurely } from "node:tls";
import { type AnswerHead, parseHead } from "./answer-head.ts";

export type Server = {
  readonly hostname: string;
  readonly port: number;
  readonly isSecure: boolean;
  /** So long nothing may move while something is waited for. */
  readonly silentMs: number;
};

const HEAD_BYTES_MAX = 32 * 1024;
const READ_BYTES = 64 * 1024;
/** Once reading is stopped, TLS still gives what it has opened already. */
const SCRATCH_BYTES = 4 * READ_BYTES;

/** Between "body" and "idle" it is seen whether more comes than the answer said. */
type Phase = "idle" | "head" | "body" | "ending" | "closed";

/**
 * One connection to a server, for one request after the other. The system puts the body of an answer right
 * where it is to lie: Node's own client makes a buffer for each piece that comes, which costs four times as much
 * as to fetch it. It knows no more of HTTP than answers with a length; all others end the connection.
 */
export class Connection {
  /** Called each time that an answer has come to its end, and the next request may be sent. */
  onIdle: () => void = () => {};
  /** Called once it cannot be used any more, for whatever reason. */
  onClosed: () => void = () => {};
  readonly #socket: Socket;
  readonly #silentMs: number;
  /** What came and has no place yet lies here, between `#from` and `#to`. */
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #from = 0;
  #to = 0;
  /** Where the next bytes will come to lie there: that is said before it is known who wants them. */
  #next = 0;
  #phase: Phase = "idle";
  #isLast = false;
  /** Bytes of the body that nobody has got yet. */
  #left = 0;
  #target: Uint8Array | undefined;
  #filled = 0;
  #isDirect = false;
  #onHead: PromiseWithResolvers<AnswerHead> | undefined;
  #onRead: PromiseWithResolvers<number> | undefined;
  #error = new Error("the server ended the connection");

  constructor({ hostname, port, isSecure, silentMs }: Server) {
    const onread: OnReadOpts = {
      buffer: () => this.#place(),
      callback: (bytes) => this.#received(bytes),
    };
    const options = { host: hostname, port, noDelay: true, onread };
    this.#socket = isSecure
      ? connectSecurely({
          ...options,
          ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
          ALPNProtocols: ["http/1.1"],
        })
      : connect(options);
    this.#silentMs = silentMs;
    this.#socket.setTimeout(silentMs);
    this.#socket.on("timeout", () => {
      if (this.#isWanted()) this.destroy(new Error("the server is silent"));
    });
    this.#socket.on("error", (error) => this.#close(error));
    this.#socket.on("close", () => this.#close(this.#error));
  }

  /** Whether it is free in a moment. */
  get isEnding(): boolean {
    return this.#phase === "ending";
  }

  /** Bytes of the body that are still to be read. */
  get bytesLeft(): number {
    return this.#left;
  }

  /** Sends a request without a body. Rejects when the answer is not a plain one. */
  async ask(request: string): Promise<AnswerHead> {
    if (this.#phase === "closed") throw this.#error;
    const onHead = Promise.withResolvers<AnswerHead>();
    this.#phase = "head";
    this.#onHead = onHead;
    this.#socket.ref();
    this.#socket.write(request, "latin1");
    return await onHead.promise;
  }

  /**
   * The next bytes of the body, as many as there is room for, which may not be more than are left. Fewer when
   * the connection ends before; the next call rejects then.
   */
  async read(target: Uint8Array): Promise<number> {
    if (this.#phase === "closed") throw this.#error;
    if (target.length === 0) return 0;
    const onRead = Promise.withResolvers<number>();
    this.#target = target;
    this.#filled = 0;
    this.#onRead = onRead;
    this.#take();
    if (this.#isWanted()) {
      // It is over once it has passed, which it may have while nobody waited.
      this.#socket.setTimeout(this.#silentMs);
      this.#socket.resume();
    }
    return await onRead.promise;
  }

  destroy(error: unknown = new Error("the connection was given up")): void {
    this.#close(error);
    this.#socket.destroy();
  }

  #isWanted(): boolean {
    return this.#onHead !== undefined || this.#onRead !== undefined;
  }

  /** Where the system is to put what comes next. */
  #place(): Uint8Array {
    this.#isDirect = this.#target !== undefined;
    if (this.#target !== undefined) return this.#target.subarray(this.#filled);
    this.#scratch.copyWithin(0, this.#from, this.#to);
    this.#next = this.#to - this.#from;
    this.#from = 0;
    this.#to = this.#next;
    return this.#scratch.subarray(this.#next, this.#next + READ_BYTES);
  }

  /** Returns whether to read on. */
  #received(bytes: number): boolean {
    if (this.#isDirect) this.#filled += bytes;
    else {
      if (this.#from === this.#to) this.#from = this.#next;
      this.#to = this.#next + bytes;
    }
    if (this.#phase === "head") this.#readHead();
    else if (this.#phase === "body") this.#take();
    else this.destroy();
    return this.#phase !== "body" || this.#target !== undefined;
  }

  #readHead(): void {
    const came = this.#scratch.subarray(this.#from, this.#to);
    const end = came.indexOf("\r\n\r\n");
    if ((end === -1 ? came.length : end) > HEAD_BYTES_MAX) {
      return this.destroy(new Error("the head of the answer is too long"));
    }
    if (end === -1) return;
    const head = parseHead(came.toString("latin1", 0, end));
    const length = head === undefined ? undefined : lengthOf(head);
    if (head === undefined || length === undefined) {
      return this.destroy(new Error("the answer is not a plain one"));
    }
    this.#from += end + 4;
    this.#left = length;
    this.#isLast = /\bclose\b/i.test(head.headers["connection"] ?? "");
    this.#phase = "body";
    const onHead = this.#onHead!;
    this.#onHead = undefined;
    if (this.#left === 0) this.#endBody();
    onHead.resolve(head);
  }

  #take(): void {
    const target = this.#target;
    if (target === undefined) return;
    const bytes = Math.min(this.#to - this.#from, target.length - this.#filled);
    target.set(this.#scratch.subarray(this.#from, this.#from + bytes), this.#filled);
    this.#from += bytes;
    this.#filled += bytes;
    if (this.#filled < target.length) return;
    const onRead = this.#onRead!;
    this.#target = undefined;
    this.#onRead = undefined;
    this.#left -= target.length;
    if (this.#left === 0) this.#endBody();
    onRead.resolve(target.length);
  }

  #endBody(): void {
    // What follows belongs to no request.
    if (this.#isLast || this.#from < this.#to) return this.destroy();
    this.#phase = "ending";
    // A server's farewell is heard meanwhile; nobody waits for it.
    this.#socket.resume();
    this.#socket.unref();
    // Bytes beyond the end that came with it are still with the system: they would be the next answer.
    setImmediate(() => {
      if (this.#phase !== "ending") return;
      this.#phase = "idle";
      this.onIdle();
    });
  }

  #close(error: unknown): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#error = error as Error;
    this.#target = undefined;
    this.#onHead?.reject(error);
    if (this.#filled > 0) this.#onRead?.resolve(this.#filled);
    else this.#onRead?.reject(error);
    this.#onHead = undefined;
    this.#onRead = undefined;
    this.onClosed();
  }
}

/** Undefined when the end of the body is told otherwise, or not at all. */
function lengthOf({ headers }: AnswerHead): number | undefined {
  const length = headers["content-length"];
  if (headers["transfer-encoding"] !== undefined || length === undefined) return undefined;
  return /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}

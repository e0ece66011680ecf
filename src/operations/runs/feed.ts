/** What is sent to whoever listens, in one order for all. */
export type Sent = { readonly id: string; readonly data: unknown };

const KEPT_MAX = 2000;

/**
 * What happens, for those who listen: each hears everything, and who comes back says what it heard last.
 * Ids tell one start of the service from another: after that nobody knows what was missed.
 */
export class Feed {
  readonly #epoch: string;
  readonly #listeners = new Set<(sent: Sent) => void>();
  #kept: Sent[] = [];
  #count = 0;

  constructor(epoch: string) {
    this.#epoch = epoch;
  }

  /** By which whoever begins to listen now can come back. */
  get lastId(): string {
    return `${this.#epoch}.${this.#count}`;
  }

  send(data: unknown): void {
    const sent = { id: `${this.#epoch}.${++this.#count}`, data };
    this.#kept.push(sent);
    if (this.#kept.length > KEPT_MAX * 2) this.#kept = this.#kept.slice(-KEPT_MAX);
    for (const listener of this.#listeners) listener(sent);
  }

  /** What came after an id; undefined: that is not known any more. */
  since(id: string): readonly Sent[] | undefined {
    const [epoch, count] = id.split(".");
    const first = this.#count - this.#kept.length;
    const heard = Number(count);
    if (epoch !== this.#epoch || !(heard >= first && heard <= this.#count)) return undefined;
    return this.#kept.slice(heard - first);
  }

  listen(listener: (sent: Sent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  get listening(): number {
    return this.#listeners.size;
  }
}

/** A server or its programs, as they call themselves. */
type Product = { readonly name: string; readonly version: readonly number[] };

/** "10.11.6-MariaDB-0+deb12u1", "8.0.39", "15.6 (Debian 15.6-0+deb12u1)", "elasticsearch 8.11.3". */
function productOf(text: string): Product {
  const name =
    /mariadb/i.exec(text)?.[0].toLowerCase() ?? /^[a-z]+(?= )/i.exec(text)?.[0].toLowerCase() ?? "";
  const [, version = ""] = /(\d+(?:\.\d+)*)/.exec(text) ?? [];
  return { name, version: version.split(".").map(Number) };
}

/** So many numbers of a version say what it can read: of MariaDB and MySQL 10.11, of others 15. */
const TELLING: Readonly<Record<string, number>> = { mysql: 2, postgres: 1, elasticsearch: 1 };

/**
 * Why what came from one server cannot be expected to be read by another, by their versions; undefined:
 * nothing speaks against it. `kind` is the store's.
 */
export function whyUnfit(kind: string, from: string, to: string): string | undefined {
  const [then, now] = [productOf(from), productOf(to)];
  if (then.name !== now.name) return `it is of ${from}, and here is ${to}`;
  for (let at = 0; at < (TELLING[kind] ?? 1); at++) {
    const [a = 0, b = 0] = [then.version[at], now.version[at]];
    if (a > b) return `it is of ${from}, which is newer than ${to} here`;
    if (a < b) return undefined;
  }
  return undefined;
}

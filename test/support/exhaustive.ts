/**
 * Loops over every moment or call take minutes. `npm run test:all` takes every one of them, `npm
 * test` every seventh.
 */
export const EXHAUSTIVE_STEP = process.env["LASTGOOD_TEST_CRASH"] === "all" ? 1 : 7;

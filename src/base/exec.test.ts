import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { exec } from "./exec.ts";
import type { Run } from "./events.ts";

const quiet = (signal = new AbortController().signal): Run => ({ signal, report: () => {} });
const sh = (script: string) => ["sh", "-c", script] as const;
const soon = { timeoutMs: 10_000 };

test("what a program prints is given without its last line's end, with its exit code", async () => {
  const { exitCode, stdout, stderr } = await exec(
    sh("printf 'a\\n\\n'; echo b >&2; exit 3"),
    soon,
    quiet(),
  );
  assert.deepEqual({ exitCode, stdout, stderr }, { exitCode: 3, stdout: "a\n", stderr: "b" });
});

test("a program gets its input, and none where there is none", async () => {
  const given = await exec(["cat"], { ...soon, input: "läuft\n" }, quiet());
  assert.equal(given.stdout, "läuft");
  const bytes = Uint8Array.of(0, 255, 228);
  const raw = await exec(["cat"], { ...soon, input: bytes, encoding: "latin1" }, quiet());
  assert.deepEqual(Buffer.from(raw.stdout, "latin1"), Buffer.from(bytes));
  assert.equal((await exec(["cat"], soon, quiet())).stdout, "");
});

test("one that reads none of a long input is judged by its exit code", async () => {
  const input = Buffer.alloc(4 * 1024 * 1024, "x");
  assert.equal((await exec(["true"], { ...soon, input }, quiet())).exitCode, 0);
});

test(
  "one that waits is stopped, and killed when it does not stop",
  { timeout: 30_000 },
  async () => {
    const work = exec(
      sh("trap '' TERM; echo $$; while :; do sleep 0.1; done"),
      { timeoutMs: 300 },
      quiet(),
    );
    await assert.rejects(work, {
      code: "SOURCE_FAILED",
      message: "run sh: it took longer than 0.3 s",
    });
  },
);

test("who ends well once it was stopped took too long all the same", async () => {
  const script = sh("trap 'exit 0' TERM; while :; do sleep 0.1; done");
  await assert.rejects(exec(script, { timeoutMs: 300 }, quiet()), { code: "SOURCE_FAILED" });
});

test("what runs when this process ends is ended too", async () => {
  const module = new URL("exec.ts", import.meta.url).href;
  const script = `const { exec } = await import("${module}");
    const run = { signal: new AbortController().signal, report() {} };
    void exec(["sleep", "20"], { timeoutMs: 60_000 }, run);
    setTimeout(async () => {
      const { stdout } = await exec(["pgrep", "-P", String(process.pid), "sleep"], { timeoutMs: 5000 }, run);
      console.log(stdout);
      process.exit();
    }, 500);`;
  const node = [process.execPath, "--input-type=module", "-e", script] as const;
  const pid = (await exec(node, soon, quiet())).stdout;
  assert.match(pid, /^\d+$/);
  // Nobody may have asked how it ended yet: then nothing but its number is left.
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  assert.equal(command, "");
});

test("cancelled is cancelled, whether it had begun or not", async () => {
  const stop = new AbortController();
  const work = exec(["sleep", "30"], { timeoutMs: 60_000 }, quiet(stop.signal));
  void setTimeout(200).then(() => stop.abort());
  await assert.rejects(work, { name: "AbortError" });
  await assert.rejects(exec(["sleep", "30"], soon, quiet(stop.signal)), { name: "AbortError" });
});

test("what cannot be started, prints too much or is killed is told with its name", async () => {
  const failed = (problem: RegExp) => ({ code: "SOURCE_FAILED", message: problem });
  await assert.rejects(
    exec(["no-such-program"], soon, quiet()),
    failed(/^run no-such-program: .*ENOENT/),
  );
  const most = { ...soon, outputBytesMax: 1000 };
  await assert.rejects(exec(["yes"], most, quiet()), failed(/^run yes: .*1000/));
  await assert.rejects(exec(sh("kill -9 $$"), soon, quiet()), failed(/^run sh: .*SIGKILL/));
  const nowhere = { ...soon, folder: "/no/such/folder" };
  await assert.rejects(exec(["true"], nowhere, quiet()), failed(/^run true: .*\/no\/such\/folder/));
});

test("what it leaves running keeps nobody waiting", { timeout: 15_000 }, async () => {
  const started = performance.now();
  const { stdout } = await exec(sh("sleep 8 & echo $!"), { timeoutMs: 60_000 }, quiet());
  assert(performance.now() - started < 6000);
  const pid = Number(stdout);
  assert(process.kill(pid, 0));
  process.kill(pid);
});

test("only a plain environment and what is added, where that is asked for", async () => {
  process.env["LASTGOOD_TEST_SECRET"] = "secret";
  const given = { ...soon, env: { MORE: "1" } };
  const script = sh('echo "$LASTGOOD_TEST_SECRET,$MORE"');
  assert.equal((await exec(script, { ...given, isPlain: true }, quiet())).stdout, ",1");
  assert.equal((await exec(script, given, quiet())).stdout, "secret,1");
  delete process.env["LASTGOOD_TEST_SECRET"];
});

test("without input there is nothing to read, and nobody far away", async () => {
  assert.equal(
    (await exec(sh("cat < /dev/stdin; readlink /proc/self/fd/0"), soon, quiet())).stdout,
    "/dev/null",
  );
});

test("who leaves something running was in time, whenever that ends", async () => {
  const options = { timeoutMs: 500 };
  const { stdout } = await exec(sh("sleep 3 & echo done"), options, quiet());
  assert.equal(stdout, "done");
});

test("nothing is left that keeps us running", { timeout: 20_000 }, async () => {
  const module = new URL("exec.ts", import.meta.url).href;
  const script = `const { exec } = await import("${module}");
    const run = { signal: new AbortController().signal, report() {} };
    await exec(["true"], { timeoutMs: 15_000 }, run);`;
  const node = [process.execPath, "--input-type=module", "-e", script] as const;
  const started = performance.now();
  await exec(node, { timeoutMs: 18_000 }, quiet());
  assert(performance.now() - started < 10_000);
});

test("one that ended while we were busy was in time", async () => {
  const work = exec(sh("sleep 0.1; echo fine"), { timeoutMs: 300 }, quiet());
  await setTimeout(50);
  // From here on timers come before the ends of programs.
  await new Promise(setImmediate);
  const until = performance.now() + 400;
  while (performance.now() < until);
  assert.equal((await work).stdout, "fine");
});

test("who prints too much and does not stop is killed", { timeout: 15_000 }, async () => {
  const started = performance.now();
  const script = sh("trap '' TERM PIPE; head -c 3000 /dev/zero; exec sleep 30");
  const options = { timeoutMs: 60_000, outputBytesMax: 1000 };
  await assert.rejects(exec(script, options, quiet()), { message: /prints more than 1000 bytes/ });
  assert(performance.now() - started < 10_000);
});

test("thirty days are a long time, and what is cancelled is not even begun", async () => {
  const long = { timeoutMs: 30 * 24 * 60 * 60_000 };
  assert.equal((await exec(["sleep", "0.2"], long, quiet())).exitCode, 0);
  const folder = await mkdtemp(path.join(os.tmpdir(), "exec-"));
  const [logFile, made] = [path.join(folder, "log"), path.join(folder, "made")];
  const work = exec(["touch", made], { ...soon, logFile }, quiet(AbortSignal.abort()));
  await assert.rejects(work, { name: "AbortError" });
  await setTimeout(100);
  assert(!existsSync(made));
  await rm(folder, { recursive: true });
});

test("no error tells a secret", async () => {
  const given = [
    exec(["true"], { ...soon, env: { PASSWORD: "a secret\0" } }, quiet()),
    exec(["true", "a secret\0"], soon, quiet()),
    exec(["sh", "-c", "kill -9 $$", "a secret"], soon, quiet()),
  ];
  for (const { reason } of (await Promise.allSettled(given)) as PromiseRejectedResult[]) {
    assert.match(String(reason), /run (true|sh): /);
    assert.doesNotMatch(String(reason), /a secret/);
  }
});

const skip = process.getuid?.() === 0 ? false : "only root can become somebody else";
test("one that we may not end is waited for", { skip, timeout: 20_000 }, async () => {
  const module = new URL("exec.ts", import.meta.url).href;
  const script = `const { exec } = await import("${module}");
    const run = { signal: new AbortController().signal, report() {} };
    const work = exec(["sleep", "7"], { timeoutMs: 300 }, run).catch(({ message }) => message);
    setTimeout(() => process.setuid(65534), 100);
    console.log(await work, process.uptime() > 7);`;
  const node = [process.execPath, "--input-type=module", "-e", script] as const;
  const { stdout } = await exec(node, { timeoutMs: 15_000 }, quiet());
  assert.equal(stdout, "run sleep: it took longer than 0.3 s true");
});

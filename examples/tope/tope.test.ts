import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { machineRoot } from "../../test/support/machine.ts";
import { skipWithout } from "../../test/support/servers.ts";
import { type Behaviour, type Device, md5Of, newDevice, packageOf } from "./machine.ts";

// Goal: the story of README.md, on a device with a real systemd: good and bad releases, both depths,
// the three manual scenarios and the five problems of the procedure.

const debian = machineRoot();
const skip = skipWithout(debian, "a small Debian with systemd (.ci/run makes it)");

suite("tope", { skip, timeout: 600_000 }, () => {
  const root = fs.mkdtempSync("/var/tmp/lastgood-tope-");
  let device: Device;

  before(async () => {
    device = await newDevice(debian!, path.join(root, "device"));
    await device.shell("systemctl enable --now device-api.service web-server.service");
  });

  after(async () => {
    await device?.cutPower();
    spawnSync("chattr", ["-R", "-f", "-i", root]);
    fs.rmSync(root, { recursive: true, force: true });
  });

  const good = async (...args: string[]): Promise<string> => {
    const { code, out } = await device.lastgood(...args);
    assert.equal(code, 0, `lastgood ${args.join(" ")}: ${out}`);
    return out;
  };
  const links = async (): Promise<string> => {
    const { out } = await device.shell(
      "cd /opt/tope/versions && for l in current previous factory; do readlink $l || echo -; done",
    );
    return out.trim().replaceAll("\n", " ");
  };
  const curl = async (url: string): Promise<string> => (await device.shell(`curl -sS ${url}`)).out;

  const fails = async (code: number, ...args: string[]): Promise<string> => {
    const ended = await device.lastgood(...args);
    assert.equal(ended.code, code, `lastgood ${args.join(" ")}: ${ended.out}`);
    return ended.out;
  };
  const deploy = (version: string, behaviour: Behaviour = "good"): string[] => [
    "deploy",
    "device",
    version,
    "--from",
    device.package(version, behaviour),
  ];
  /** What device-api says, which may just be starting. */
  const versionOf = async (): Promise<string> => {
    for (let tries = 0; ; tries++) {
      const { code, out } = await device.shell("curl -sS http://localhost:9080/api/version");
      if (code === 0) return (JSON.parse(out) as { version: string }).version;
      if (tries === 20) throw new Error(out);
      await sleep(500);
    }
  };
  const errors = (since: number): string[] =>
    device
      .reports()
      .slice(since)
      .flatMap(({ error }) => (error === null ? [] : [error.split(":")[0]!]));

  test("what the old updater left is taken over", async () => {
    await good("init", "/etc/lastgood");
    // What its `mv` left in the release that was live: trap-01.
    await device.shell(
      "cd /opt/tope/versions && ln -sfn v1.0.0 .current.tmp && mv -f .current.tmp current",
    );
    assert.equal((await device.shell("ls -A /opt/tope/versions/current/.current.tmp")).code, 0);
    assert.match(await good("releases", "adopt", "device"), /1\.0\.0: adopted/);
    assert.notEqual((await device.shell("ls -A /opt/tope/versions/current/.current.tmp")).code, 0);
    await good("releases", "factory", "device", "1.0.0", "--yes");
    await good("install", "--yes");
    await good("health");
    await good("backup");
  });

  test("1.1.0 and 1.2.0 are good", async () => {
    await good(...deploy("1.1.0"));
    await good(...deploy("1.2.0"));
    assert.equal(await links(), "v1.2.0 v1.1.0 v1.0.0");
    assert.equal(await versionOf(), "1.2.0");
    assert.equal(device.reports().at(-1)?.stage, "success");
  });

  for (const behaviour of ["exit", "hang", "die", "500", "not-executable"] as const) {
    test(`1.3.0 is "${behaviour}": depth 1`, async (t) => {
      const heard = device.reports().length;
      const told = await fails(22, ...deploy("1.3.0", behaviour));
      if (behaviour === "exit") assert.match(told, /: ERROR cannot open \/dev\/robot/);
      assert.equal(await links(), "v1.2.0 v1.1.0 v1.0.0");
      assert.equal(await versionOf(), "1.2.0");
      const said = ["DEPLOYMENT_FAILED", "ROLLBACK_LEVEL_1", "ROLLBACK_LEVEL_1_SUCCESS"];
      assert.deepEqual(errors(heard), said);
      t.diagnostic(`received: ${errors(heard).join(", ")}`);
    });
  }

  test("the log has the procedure's lines, in its order", async () => {
    const file = path.join(device.root, "opt/tope/updater/logs/updater.log");
    const lines = fs.readFileSync(file, "utf8").split("\n");
    const start = lines.findLastIndex((line) => line.includes("Deployment failed: "));
    const said = lines.slice(start).map((line) => line.replace(/^\S+ /, ""));
    const services = "['device-api.service', 'web-server.service']";
    const expected = [
      "[INFO] Deployment failed, initiating two-level rollback",
      "[INFO] Starting Level 1 rollback: rolling back to previous version",
      `[INFO] Stopping services: ${services}`,
      "[INFO] Rolling back to previous version: 1.2.0",
      "[INFO] Updating current symlink to v1.2.0",
      `[INFO] Starting services: ${services}`,
      "[INFO] Verifying service health...",
      "[INFO] Cleaning up failed version directory: /opt/tope/versions/v1.3.0",
      "[INFO] ✓ Rolled back to previous version 1.2.0",
    ];
    assert.deepEqual(said.slice(1, 1 + expected.length), expected);
    assert.match(said[0]!, /^\[ERROR\] Deployment failed: /);
  });

  test("what was live is damaged: depth 2", async (t) => {
    await device.shell("echo damaged >> /opt/tope/versions/v1.2.0/VERSION");
    const heard = device.reports().length;
    await fails(23, ...deploy("1.3.0", "exit"), "--force");
    assert.equal(await links(), "v1.0.0 v1.1.0 v1.0.0");
    assert.equal(await versionOf(), "1.0.0");
    assert.deepEqual(errors(heard), [
      "DEPLOYMENT_FAILED",
      "ROLLBACK_LEVEL_1_FAILED",
      "ROLLBACK_LEVEL_2",
      "ROLLBACK_LEVEL_2_SUCCESS",
    ]);
    t.diagnostic(`received: ${errors(heard).join(", ")}`);
  });

  test("scenario 3: a chosen version; scenario 1: previous; scenario 2: factory", async () => {
    await good("rollback", "device", "--to", "1.1.0", "--yes");
    assert.equal(await versionOf(), "1.1.0");
    await good(...deploy("1.4.0"));
    assert.equal(await links(), "v1.4.0 v1.1.0 v1.0.0");
    await good("rollback", "device", "--to", "previous", "--yes");
    assert.equal(await links(), "v1.1.0 v1.0.0 v1.0.0");
    await good("rollback", "device", "--to", "factory", "--yes");
    assert.equal(await versionOf(), "1.0.0");
    assert.match(await curl("http://localhost:12315/api/v1.0/progress"), /"code":200/);
  });

  test("problem 1: a lost execute bit; problem 5: web-server, because of device-api", async () => {
    await good(...deploy("1.5.0"));
    await device.shell("systemctl stop web-server device-api");
    await device.shell("chmod -x /opt/tope/versions/v1.5.0/bin/device-api");
    assert.match(await fails(1, "doctor"), /has mode 0644, not 0755/);
    const said = await device.lastgood("doctor", "--repair");
    assert.match(said.out, /modes put right of bin\/device-api/);
    assert.equal(said.code, 0, said.out);
    await good("health");
    assert.equal(await versionOf(), "1.5.0");
  });

  test("problem 2: a dangling current", async () => {
    await device.shell("cd /opt/tope/versions && ln -sfn v9.9.9 current");
    assert.match(await fails(1, "doctor"), /current leads to v9\.9\.9, which is no release/);
    await good("doctor", "--repair");
    assert.match(await links(), /^v1\.[05]\.0 /);
    await good("health");
  });

  test("problem 3: a damaged factory", async () => {
    const damage = "cd /opt/tope/versions && chattr -R -i v1.0.0; echo x >> v1.0.0/VERSION";
    await good("releases", "mark", "device", "1.5.0", "good");
    await device.lastgood("rollback", "device", "--to", "1.5.0", "--yes");
    await device.shell(damage);
    assert.match(await fails(1, "doctor"), /factory release 1\.0\.0 is damaged/);
    await good("doctor", "--repair");
    await good("releases", "verify", "device", "1.0.0");
  });

  test("a link that leads past current: trap-08", async () => {
    await device.shell(
      "ln -sfn /opt/tope/versions/v1.5.0/bin/device-api /usr/local/bin/device-api",
    );
    assert.match(await fails(1, "doctor"), /past current/);
    await good("doctor", "--repair");
    const { out } = await device.shell("readlink /usr/local/bin/device-api");
    assert.equal(out.trim(), "/opt/tope/versions/current/bin/device-api");
  });

  test("the runbook's commands do what they say", async () => {
    const lines = (await good("runbook")).split("\n");
    const start = lines.findIndex((line) => line.startsWith("### Back to factory"));
    const to = lines.findIndex((line, at) => at > start && line.startsWith("###"));
    const commands = lines.slice(start + 1, to).filter((line) => line !== "");
    const { code, out } = await device.shell(`set -e\n${commands.join("\n")}`);
    assert.equal(code, 0, out);
    assert.match(await links(), /^v1\.0\.0 /);
    await device.shell(
      "systemctl stop web-server device-api; cd /opt/tope/versions; ln -s v1.5.0 .n; mv -T .n current; systemctl start device-api web-server",
    );
  });

  test("a power cut in the middle: nothing starts before recovery, which ends whole", async () => {
    const live = await versionOf();
    const cut = device.lastgood(...deploy("1.6.0", "hang"));
    for (;;) {
      const { out } = await device.shell("readlink /opt/tope/versions/current");
      if (out.trim() === "v1.6.0") break;
    }
    await device.cutPower();
    await cut;
    device = await device.boot();
    const deadline = performance.now() + 60_000;
    while ((await device.shell('test -n "$(ls -A /var/lib/lastgood/gates)"')).code === 0) {
      assert(performance.now() < deadline, "recovery does not end");
    }
    const said = await device.shell("journalctl -b -u device-api.service -o cat");
    assert.doesNotMatch(said.out, /device-api 1\.6\.0/);
    assert.equal(await versionOf(), live);
    assert.match(await good("history"), /rolled-back/);
    await good("health");
  });

  test("by the fleet's own interface, in the procedure's shapes", async () => {
    await device.shell("systemctl start lastgood-tope.service");
    const file = packageOf("1.7.0", "good");
    fs.writeFileSync(path.join(device.root, "root/fleet.zip"), file);
    await device.shell(
      "cd /root && (python3 -m http.server 8099 || node -e \"require('http').createServer((q,s)=>require('fs').createReadStream('/root/fleet.zip').pipe(s)).listen(8099,'127.0.0.1')\") >/dev/null 2>&1 &",
    );
    const post = async (what: string, body: object): Promise<{ code: number; msg: string }> => {
      const data = JSON.stringify(body);
      const line = `curl -sS -H 'content-type: application/json' -d '${data}' http://localhost:12315/api/v1.0/${what}`;
      return JSON.parse((await device.shell(line)).out) as { code: number; msg: string };
    };
    const progress = async (): Promise<string> => {
      const said = JSON.parse(await curl("http://localhost:12315/api/v1.0/progress")) as {
        data: { stage: string };
      };
      return said.data.stage;
    };
    const until = async (stage: string): Promise<void> => {
      const deadline = performance.now() + 60_000;
      for (let now = await progress(); now !== stage; now = await progress()) {
        assert(performance.now() < deadline && now !== "failed", `it is ${now}, not ${stage}`);
        await sleep(200);
      }
    };
    await sleep(1000);
    const asked = {
      version: "1.7.0",
      package_url: "http://127.0.0.1:8099/fleet.zip",
      package_name: "fleet.zip",
      package_size: file.length,
      package_md5: md5Of(file),
    };
    assert.equal((await post("download", { ...asked, package_md5: "x" })).code, 400);
    assert.equal((await post("update", { version: "1.7.0" })).code, 404);
    assert.deepEqual(await post("download", asked), { code: 200, msg: "success", data: null });
    await until("toInstall");
    assert.equal((await post("update", { version: "1.7.0" })).code, 200);
    assert.equal((await post("update", { version: "1.7.0" })).code, 409);
    await until("success");
    assert.equal(await versionOf(), "1.7.0");
  });

  test("nothing is healthy any more: it says so, waits for a human and deletes nothing", async (t) => {
    // The factory release needs what is not there any more.
    await device.shell(
      "cd /opt/tope/versions && chattr -R -i v1.0.0 && echo exit > v1.0.0/behaviour && rm .lastgood/1.0.0.s*",
    );
    await good("releases", "adopt", "device");
    await device.shell("echo damaged >> /opt/tope/versions/v1.7.0/VERSION");
    const heard = device.reports().length;
    const out = await fails(16, ...deploy("1.8.0", "exit"), "--force");
    assert.match(out, /DEPLOYMENT_FAILED \+ ROLLBACK_LEVEL_1_FAILED \+ ROLLBACK_LEVEL_2_FAILED/);
    const log = fs.readFileSync(
      path.join(device.root, "opt/tope/updater/logs/updater.log"),
      "utf8",
    );
    assert.match(
      log,
      /\[CRITICAL\] Manual intervention required\n.*\[ERROR\] All rollback attempts failed\. System may be in inconsistent state\./,
    );
    const there = (await device.shell("ls /opt/tope/versions")).out;
    for (const version of ["v1.0.0", "v1.7.0", "v1.8.0"]) assert.match(there, new RegExp(version));
    assert.match((await device.lastgood("status")).out, /needs you/);
    // device-api is down: what it was to hear waits until it is there again.
    await good("rollback", "device", "--to", "1.5.0", "--yes", "--force");
    const deadline = performance.now() + 30_000;
    while (errors(heard).length < 5 && performance.now() < deadline) await sleep(500);
    assert.deepEqual(errors(heard), [
      "DEPLOYMENT_FAILED",
      "ROLLBACK_LEVEL_1_FAILED",
      "ROLLBACK_LEVEL_2",
      "ROLLBACK_LEVEL_2_FAILED",
      "DEPLOYMENT_FAILED",
    ]);
    t.diagnostic(`received, late: ${errors(heard).join(", ")}`);
  });
});

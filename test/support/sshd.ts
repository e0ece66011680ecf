import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import os from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { freePort } from "./releases.ts";

const SERVER = "/usr/sbin/sshd";

export function hasSshd(): boolean {
  return existsSync(SERVER);
}

/** A real OpenSSH on loopback, for whoever runs the tests and one key. */
export type Sshd = AsyncDisposable & {
  /** sftp://user@127.0.0.1:port and a folder of its own. */
  place(): Promise<string>;
  readonly identity: string;
  readonly knownHosts: string;
  /** As restic's -o sftp.command takes it. */
  readonly command: string;
  /** How many there are. */
  connections(): Promise<number>;
  /** Ends all connections, and the server takes new ones. */
  cut(): Promise<void>;
};

export async function startSshd(root?: string): Promise<Sshd> {
  const folder = await mkdtemp("/var/tmp/lg-sshd-");
  const files = root ?? `${folder}/files`;
  await mkdir(files, { recursive: true });
  // As the service of Debian makes it.
  await mkdir("/run/sshd", { recursive: true }).catch(() => {});
  for (const name of ["host", "user"]) {
    await promisify(execFile)("ssh-keygen", [
      "-q",
      "-t",
      "ed25519",
      "-N",
      "",
      "-f",
      `${folder}/${name}`,
    ]);
  }
  await writeFile(`${folder}/authorized`, await readFile(`${folder}/user.pub`));
  const port = await freePort();
  const host = (await readFile(`${folder}/host.pub`, "utf8")).split(" ").slice(0, 2).join(" ");
  await writeFile(`${folder}/known`, `[127.0.0.1]:${port} ${host}\n`);
  const config = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${folder}/host`,
    `AuthorizedKeysFile ${folder}/authorized`,
    `PidFile ${folder}/pid`,
    "PasswordAuthentication no",
    "PermitRootLogin prohibit-password",
    "StrictModes no",
    "UsePAM no",
    "MaxStartups 100",
    "Subsystem sftp internal-sftp",
  ];
  await writeFile(`${folder}/config`, config.join("\n"));
  const server: ChildProcess = spawn(SERVER, ["-D", "-e", "-f", `${folder}/config`], {
    stdio: "ignore",
  });
  await listening(port);
  const user = os.userInfo().username;
  let made = 0;
  const options = `-o BatchMode=yes -o IdentityFile=${folder}/user -o IdentitiesOnly=yes -o UserKnownHostsFile=${folder}/known`;
  const pids = async (): Promise<number[]> => {
    const found = await promisify(execFile)("pgrep", ["-P", String(server.pid)]).catch(() => ({
      stdout: "",
    }));
    return found.stdout.split("\n").filter(Boolean).map(Number);
  };
  const cut = async (): Promise<void> => {
    for (const pid of await pids()) process.kill(pid, "SIGKILL");
  };
  return {
    cut,
    connections: async () => (await pids()).length,
    identity: `${folder}/user`,
    knownHosts: `${folder}/known`,
    command: `ssh ${options} -p ${port} ${user}@127.0.0.1 -s sftp`,
    async place() {
      return `sftp://${user}@127.0.0.1:${port}${files}/place-${++made}`;
    },
    async [Symbol.asyncDispose]() {
      await cut();
      const gone = once(server, "exit");
      server.kill("SIGKILL");
      await gone;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const socket = connect(port, "127.0.0.1");
    const isThere = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isThere) return;
    await sleep(50);
  }
  throw new Error("sshd does not listen");
}

import { AppError } from "../base/errors.ts";

/** Where on which server the files lie. */
export type SftpPlace = {
  readonly host: string;
  readonly user: string | undefined;
  readonly port: number | undefined;
  /** Absolute. */
  readonly folder: string;
  readonly label: string;
};

/** Whether a place is one that SFTP reaches. */
export function isSftp(at: string): boolean {
  return at.startsWith("sftp://");
}

/** `sftp://[user@]host[:port]/absolute/path`. USAGE. */
export function parseSftp(at: string): SftpPlace {
  const parts =
    /^sftp:\/\/(?:([^@/?#:-][^@/?#:]*)@)?([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-f:]+\])(?::(\d{1,5}))?(\/[^?#]+)$/.exec(
      at,
    );
  if (parts === null) {
    throw new AppError("USAGE", `read ${at}: that is no place for SFTP`, {
      hint: "As in sftp://backup@host.example.com/srv/backups/web. Who we are there ssh has to know.",
    });
  }
  const [, user, host = "", port, folder = ""] = parts;
  return {
    host: host.replaceAll(/[[\]]/g, ""),
    user,
    port: port === undefined ? undefined : Number(port),
    folder: folder.replace(/\/+$/, "").replace(/^\/+/, "/"),
    label: at,
  };
}

/** As restic's -r takes it. */
export function resticSftp({ label, folder }: SftpPlace): string {
  return label.replace(/^(sftp:\/\/[^/]+)\/+.*$/, (_, host: string) => `${host}/${folder}`);
}

import type { Backend } from "./backends/backend.ts";
import type { SftpConfig } from "./backends/sftp.ts";
import type { S3Config } from "./backends/s3.ts";
import type { CommandNotifierConfig } from "./notifiers/command.ts";
import type { EmailConfig } from "./notifiers/email.ts";
import type { Notifier } from "./notifiers/notifier.ts";
import type { NtfyConfig } from "./notifiers/ntfy.ts";
import type { WebhookConfig } from "./notifiers/webhook.ts";
import type { Store, StoreContext } from "./stores/store.ts";
import type { ElasticsearchConfig } from "./stores/elasticsearch.ts";
import type { CommandConfig } from "./stores/command.ts";
import type { FaissConfig } from "./stores/faiss.ts";
import type { FileConfig } from "./stores/file.ts";
import type { FolderConfig } from "./stores/folder.ts";
import type { MysqlConfig } from "./stores/mysql.ts";
import type { PostgresConfig } from "./stores/postgres.ts";
import type { RedisConfig } from "./stores/redis.ts";
import type { S3StoreConfig } from "./stores/s3.ts";
import type { SqliteConfig } from "./stores/sqlite.ts";

// THE list of what lastgood can work with. Each is loaded when it is used for the first time.

type Open<Config> = (config: Config, context: StoreContext) => Promise<Store>;

export const STORES: {
  readonly sqlite: Open<SqliteConfig>;
  readonly file: Open<FileConfig>;
  readonly folder: Open<FolderConfig>;
  readonly chroma: Open<FolderConfig>;
  readonly faiss: Open<FaissConfig>;
  readonly mysql: Open<MysqlConfig>;
  readonly s3: Open<S3StoreConfig>;
  readonly redis: Open<RedisConfig>;
  readonly elasticsearch: Open<ElasticsearchConfig>;
  readonly command: Open<CommandConfig>;
  readonly postgres: Open<PostgresConfig>;
} = {
  sqlite: async (config, context) =>
    (await import("./stores/sqlite.ts")).sqliteStore(config, context),
  file: async (config, context) => (await import("./stores/file.ts")).fileStore(config, context),
  folder: async (config, context) =>
    (await import("./stores/folder.ts")).folderStore(config, context),
  chroma: async (config, context) =>
    (await import("./stores/chroma.ts")).chromaStore(config, context),
  faiss: async (config, context) => (await import("./stores/faiss.ts")).faissStore(config, context),
  mysql: async (config, context) => (await import("./stores/mysql.ts")).mysqlStore(config, context),
  postgres: async (config, context) =>
    (await import("./stores/postgres.ts")).postgresStore(config, context),
  elasticsearch: async (config, context) =>
    (await import("./stores/elasticsearch.ts")).elasticsearchStore(config, context),
  command: async (config, context) =>
    (await import("./stores/command.ts")).commandStore(config, context),
  redis: async (config, context) => (await import("./stores/redis.ts")).redisStore(config, context),
  s3: async (config, context) => (await import("./stores/s3.ts")).s3Store(config, context),
};

export const NOTIFIERS: {
  readonly webhook: (config: WebhookConfig) => Promise<Notifier>;
  readonly email: (config: EmailConfig) => Promise<Notifier>;
  readonly command: (config: CommandNotifierConfig) => Promise<Notifier>;
  readonly ntfy: (config: NtfyConfig) => Promise<Notifier>;
} = {
  webhook: async (config) => (await import("./notifiers/webhook.ts")).webhookNotifier(config),
  email: async (config) => (await import("./notifiers/email.ts")).emailNotifier(config),
  command: async (config) => (await import("./notifiers/command.ts")).commandNotifier(config),
  ntfy: async (config) => (await import("./notifiers/ntfy.ts")).ntfyNotifier(config),
};

export const BACKENDS: {
  readonly folder: (at: string) => Promise<Backend>;
  readonly s3: (config: S3Config) => Promise<Backend>;
  readonly sftp: (config: SftpConfig) => Promise<Backend>;
} = {
  folder: async (at) => (await import("./backends/folder.ts")).folderBackend(at),
  s3: async (config) => await (await import("./backends/s3.ts")).s3Backend(config),
  sftp: async (config) => (await import("./backends/sftp.ts")).sftpBackend(config),
};

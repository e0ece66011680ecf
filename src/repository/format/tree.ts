import type { ExtendedAttribute } from "../../base/attributes.ts";
import { AppError } from "../../base/errors.ts";
import {
  type ByteString,
  decodeName,
  encodeName,
  encodeText,
  isUtf8,
  jsonEscape,
  toBytes,
} from "./go-string.ts";

export type NodeType =
  | "file"
  | "dir"
  | "symlink"
  | "dev"
  | "chardev"
  | "fifo"
  | "socket"
  | "irregular";

/**
 * One entry of a folder, as restic keeps it. Nothing of our own is ever added here: commands of
 * restic that rewrite trees refuse what they do not know.
 */
export type TreeNode = {
  readonly name: ByteString;
  readonly type: NodeType;
  /** Go's os.FileMode: permission bits as in POSIX, the rest in high bits. See mode.ts. */
  readonly mode: number;
  /** RFC 3339 with nanoseconds. */
  readonly mtime: string;
  readonly atime: string;
  readonly ctime: string;
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  readonly group: string;
  readonly inode: bigint;
  readonly deviceId: bigint;
  readonly sizeBytes: number;
  readonly links: bigint;
  readonly linkTarget: ByteString;
  readonly extendedAttributes: readonly ExtendedAttribute[];
  readonly device: bigint;
  /** Ids of the chunks of a file, in order; null for everything else. */
  readonly content: readonly string[] | null;
  readonly subtree: string | undefined;
};

/** The bytes of a tree blob. The nodes must be in ascending order of their names' bytes. */
export function encodeTree(nodes: readonly string[]): Buffer {
  return Buffer.from(`{"nodes":[${nodes.join(",")}]}\n`, "utf8");
}

/** The JSON of one node, with restic's fields in restic's order. */
export function encodeNode(node: TreeNode): string {
  let text = `{"name":"${encodeName(node.name)}","type":"${node.type}"`;
  if (node.mode !== 0) text += `,"mode":${node.mode}`;
  text += `,"mtime":"${node.mtime}","atime":"${node.atime}","ctime":"${node.ctime}"`;
  text += `,"uid":${node.uid},"gid":${node.gid}`;
  if (node.user !== "") text += `,"user":"${jsonEscape(node.user)}"`;
  if (node.group !== "") text += `,"group":"${jsonEscape(node.group)}"`;
  if (node.inode !== 0n) text += `,"inode":${node.inode}`;
  if (node.deviceId !== 0n) text += `,"device_id":${node.deviceId}`;
  if (node.sizeBytes !== 0) text += `,"size":${node.sizeBytes}`;
  if (node.links !== 0n) text += `,"links":${node.links}`;
  if (node.linkTarget !== "") text += linkFields(node.linkTarget);
  if (node.extendedAttributes.length > 0) text += attributesField(node.extendedAttributes);
  if (node.device !== 0n) text += `,"device":${node.device}`;
  text += `,"content":${contentField(node.content)}`;
  if (node.subtree !== undefined) text += `,"subtree":"${node.subtree}"`;
  return `${text}}`;
}

function linkFields(target: ByteString): string {
  const text = `,"linktarget":"${encodeText(target)}"`;
  if (isUtf8(target)) return text;
  return `${text},"linktarget_raw":"${Buffer.from(target, "latin1").toString("base64")}"`;
}

function attributesField(attributes: readonly ExtendedAttribute[]): string {
  const all = attributes.map(({ name, value }) => {
    const base64 = value === null ? "null" : `"${value.toString("base64")}"`;
    return `{"name":"${encodeText(name)}","value":${base64}}`;
  });
  return `,"extended_attributes":[${all.join(",")}]`;
}

function contentField(content: readonly string[] | null): string {
  if (content === null) return "null";
  return content.length === 0 ? "[]" : `["${content.join('","')}"]`;
}

type NodeJson = {
  name?: unknown;
  type?: unknown;
  mode?: number | bigint;
  mtime?: string;
  atime?: string;
  ctime?: string;
  uid?: number | bigint;
  gid?: number | bigint;
  user?: string;
  group?: string;
  inode?: number | bigint;
  device_id?: number | bigint;
  size?: number | bigint;
  links?: number | bigint;
  linktarget?: string;
  linktarget_raw?: string;
  extended_attributes?: { name: string; value: string | null }[];
  device?: number | bigint;
  content?: unknown;
  subtree?: unknown;
};

const ID = /^[0-9a-f]{64}$/;
const TYPES: ReadonlySet<unknown> = new Set<NodeType>([
  "file",
  "dir",
  "symlink",
  "dev",
  "chardev",
  "fifo",
  "socket",
  "irregular",
]);

/** Reads a tree blob, whoever wrote it. CORRUPT when it is no tree or dangerous to restore. */
export function parseTree(bytes: Uint8Array, what: string): TreeNode[] {
  try {
    return parseNodes(bytes, what);
  } catch (error) {
    if (error instanceof AppError) throw error;
    // A field of another type, a number that is none, a text longer than any memory.
    throw new AppError("CORRUPT", `read ${what}: ${(error as Error).message}`, { cause: error });
  }
}

function parseNodes(bytes: Uint8Array, what: string): TreeNode[] {
  const nodes = parseJson(bytes, what);
  const result: TreeNode[] = [];
  let previous: ByteString | undefined;
  for (const json of nodes) {
    const node = toNode(json, what);
    if (previous !== undefined && node.name <= previous) {
      throw new AppError("CORRUPT", `read ${what}: names are not in order`);
    }
    previous = node.name;
    result.push(node);
  }
  return result;
}

function parseJson(bytes: Uint8Array, what: string): NodeJson[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
  try {
    // JSON's numbers lose what is above 2^53, such as some inodes: then each is read from its text.
    const root = (/:\d{16,}/.test(text) ? JSON.parse(text, exactNumbers) : JSON.parse(text)) as {
      nodes?: unknown;
    };
    if (Array.isArray(root.nodes)) return root.nodes as NodeJson[];
  } catch (error) {
    throw new AppError("CORRUPT", `read ${what}: not JSON`, { cause: error });
  }
  throw new AppError("CORRUPT", `read ${what}: no nodes`);
}

function exactNumbers(_key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  const isLarge = typeof value === "number" && source !== undefined && /^\d{16,}$/.test(source);
  return isLarge ? BigInt(source) : value;
}

const TEXTS = ["mtime", "atime", "ctime", "user", "group", "linktarget", "linktarget_raw"] as const;
const NUMBERS = ["mode", "uid", "gid", "inode", "device_id", "size", "links", "device"] as const;

function refuseOtherTypes(json: NodeJson, what: string): void {
  const isText = TEXTS.every((key) => typeof (json[key] ?? "") === "string");
  const isNumber = NUMBERS.every((key) => isWhole(json[key] ?? 0));
  if (!isText || !isNumber) throw new AppError("CORRUPT", `read ${what}: a field is no such value`);
}

function isWhole(value: unknown): boolean {
  return typeof value === "bigint" || (Number.isInteger(value) && (value as number) >= 0);
}

function toNode(json: NodeJson, what: string): TreeNode {
  refuseOtherTypes(json, what);
  const name = nameOf(json, what);
  if (!TYPES.has(json.type)) throw new AppError("CORRUPT", `read ${what}: ${name}: no known type`);
  const type = json.type as NodeType;
  const target = json.linktarget_raw;
  return {
    name,
    type,
    mode: Number(json.mode ?? 0),
    mtime: json.mtime ?? "",
    atime: json.atime ?? "",
    ctime: json.ctime ?? "",
    uid: Number(json.uid ?? 0),
    gid: Number(json.gid ?? 0),
    user: json.user ?? "",
    group: json.group ?? "",
    inode: BigInt(json.inode ?? 0),
    deviceId: BigInt(json.device_id ?? 0),
    sizeBytes: Number(json.size ?? 0),
    links: BigInt(json.links ?? 0),
    linkTarget:
      target === undefined
        ? toBytes(json.linktarget ?? "")
        : Buffer.from(target, "base64").toString("latin1"),
    extendedAttributes: (json.extended_attributes ?? []).map((attribute) => ({
      name: toBytes(attribute.name),
      value: attribute.value === null ? null : Buffer.from(attribute.value, "base64"),
    })),
    device: BigInt(json.device ?? 0),
    content: type === "file" ? contentOf(json, `${what}: ${name}`) : null,
    subtree: type === "dir" ? subtreeOf(json, `${what}: ${name}`) : undefined,
  };
}

/** A name is one path segment, so that no tree can write outside of where it is restored. */
function nameOf(json: NodeJson, what: string): ByteString {
  if (typeof json.name === "string") {
    const name = decodeName(json.name);
    if (name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name)) return name;
  }
  throw new AppError("CORRUPT", `read ${what}: ${JSON.stringify(json.name)} is no file name`, {
    hint: "Do not restore from this snapshot: a tool that means harm may have written it.",
  });
}

function contentOf(json: NodeJson, what: string): string[] {
  const { content } = json;
  const isList =
    Array.isArray(content) && content.every((id) => typeof id === "string" && ID.test(id));
  if (!isList) throw new AppError("CORRUPT", `read ${what}: no list of chunks`);
  return content as string[];
}

function subtreeOf(json: NodeJson, what: string): string {
  if (typeof json.subtree === "string" && ID.test(json.subtree)) return json.subtree;
  throw new AppError("CORRUPT", `read ${what}: no subtree`);
}

// `dswarm call`: calls a method of a peer with JSON, by the schema that the peer tells. A running node makes the call, with its key
// and wherever it finds the peer.
import { createInterface } from "node:readline";
import { type DescMessage, type DescMethod, fromJson, type Registry, toBinary } from "@bufbuild/protobuf";
import { parseExactJson } from "../api/exact-json.ts";
import { protobufJson } from "../api/protobuf-json.ts";
import { messageOf } from "../util/errors.ts";
import { type AskFlags, withNode } from "./ask-node.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { callByGateway } from "./gateway-call.ts";
import { checkPeerName, peerNamed } from "./peer-name.ts";
import { askProvided, askService, schemaOf } from "./peer-schema.ts";
import { codeOfStop, listenForStop } from "./stop-signal.ts";
import { printable } from "./text.ts";

const schemaTimeoutMs = 30_000;
const defaultTimeoutMs = 30_000;

/** The flags of `call`. */
export interface CallFlags extends AskFlags {
  /** Milliseconds, 0 for no limit; undefined leaves it to the kind of the call. */
  readonly timeout?: number;
  /** "name: value" each. */
  readonly header: readonly string[];
  /** Whether to show the metadata that the peer sends. */
  readonly verbose?: boolean;
}

// A peer's name has no dot, and no method's path an "@".
const methodPath = /^[A-Za-z_]\w*(?:\.\w+)*\/\w+$/;

/** What is called. */
interface CallTarget {
  /** Undefined is any peer that provides the service. */
  readonly name: string | undefined;
  /** "package.Service/Method". */
  readonly path: string;
  readonly data: string;
}

/** @throws CliError with exit code 2 */
function targetOf(words: readonly string[]): CallTarget {
  const [first = "", second, third, ...more] = words;
  if (more.length > 0) throw new CliError("too many words: give a peer, a method and a request", exitCodes.usage);
  const isMethod = methodPath.test(first) && (first.includes(".") || second === undefined || !methodPath.test(second));
  if (!isMethod) {
    checkPeerName(first);
    if (second === undefined) throw new CliError("give the method, too: package.Service/Method", exitCodes.usage);
    return { name: first, path: second, data: third ?? "{}" };
  }
  if (third !== undefined) throw new CliError("one request at most; - reads more of them", exitCodes.usage);
  return { name: undefined, path: first, data: second ?? "{}" };
}

/**
 * Calls a method. Each answer is a line of JSON. Returns the exit code.
 * @param words a peer, unless any is meant that provides the service; "package.Service/Method"; a request as JSON, of which "-" reads
 *   them from standard input, a line each
 */
export async function call(words: readonly string[], flags: CallFlags, context: Context): Promise<number> {
  const { name, path, data } = targetOf(words);
  const [serviceName = "", methodName = "", ...rest] = path.split("/");
  if (methodName === "" || rest.length > 0) {
    throw new CliError(`${printable(path)}: give package.Service/Method; "services" lists them`, exitCodes.usage);
  }
  const metadata = metadataOf(flags.header);
  const signal = listenForStop();
  const onMetadata = (key: string, value: string): void => {
    if (flags.verbose === true) context.stderr.line(context.stderr.paint("dim", printable(`${key}: ${value}`)));
  };
  try {
    await withNode(flags, context, async (client, target) => {
      const id = name === undefined ? undefined : await peerNamed(name, client);
      const options = { signal, timeoutMs: schemaTimeoutMs };
      const info =
        id === undefined
          ? await askProvided(client, serviceName, options)
          : await askService(client, id, serviceName, options);
      const { service, registry } = schemaOf(info);
      const method = methodNamed(methodName, service);
      const requests = requestsOf(method.input, data, registry, signal);
      const callOptions = { signal, timeoutMs: timeoutOf(method, flags.timeout), metadata, onMetadata };
      for await (const line of callByGateway(target, { id, method, requests }, callOptions)) {
        context.stdout.line(line.replaceAll(controls, escaped));
      }
    });
    return exitCodes.ok;
  } catch (error) {
    if (!signal.aborted) throw error;
    return codeOfStop(signal, exitCodes.interrupted);
  } finally {
    // Where the peer ended first, there may be more to read, and nobody to send it to.
    process.stdin.destroy();
  }
}

// JSON itself leaves these as they are, and terminals act on them.
const controls = /[\u007f-\u009f]/g;

function escaped(character: string): string {
  return `\\u00${character.charCodeAt(0).toString(16)}`;
}

/** A call that streams lasts as long as its user wants; one with a single answer has 30 seconds. */
function timeoutOf({ methodKind }: DescMethod, given: number | undefined): number | undefined {
  const hasOneAnswer = methodKind === "unary" || methodKind === "client_streaming";
  const timeoutMs = given ?? (hasOneAnswer ? defaultTimeoutMs : 0);
  return timeoutMs === 0 ? undefined : timeoutMs;
}

/** The requests as they were given, each of them checked. */
async function* requestsOf(
  input: DescMessage,
  data: string,
  registry: Registry,
  signal: AbortSignal,
): AsyncGenerator<string> {
  if (data !== "-") {
    yield checked(input, data, registry);
    return;
  }
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY, signal })) {
    if (line.trim() !== "") yield checked(input, line, registry);
  }
}

function checked(input: DescMessage, json: string, registry: Registry): string {
  try {
    // It names a required field that is missing, which JSON may leave out.
    toBinary(input, fromJson(input, protobufJson(input, parseExactJson(json), { registry }), { registry }));
    return json;
  } catch (error) {
    throw new CliError(`not a ${input.typeName}: ${printable(messageOf(error))}`, exitCodes.usage);
  }
}

function methodNamed(name: string, { methods, typeName }: DescMethod["parent"]): DescMethod {
  const method = methods.find((each) => each.name === name);
  if (method !== undefined) return method;
  const names = methods.map((each) => each.name).join(", ");
  throw new CliError(`${printable(typeName)} has no method ${printable(name)}; it has ${printable(names)}`);
}

function metadataOf(lines: readonly string[]): Headers {
  const metadata = new Headers();
  for (const line of lines) {
    const [, name = "", value = ""] = /^([^:\s]+):\s*(.*)$/.exec(line) ?? [];
    try {
      metadata.append(name, value);
    } catch {
      throw new CliError(`--header ${printable(line)}: give "name: value"`, exitCodes.usage);
    }
  }
  return metadata;
}

// How a failed command is told: one line that says what is wrong and what to do, never a stack unless it is asked for.
import { Code, ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { type Failure, FailureSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { dswarmErrorOf, messageOf } from "../util/errors.ts";
import { ioMessageOf } from "../util/io-error.ts";
import { CliError, exitCodes, type FailureDetail, type FailureLine } from "./cli-error.ts";
import type { Terminal } from "./terminal.ts";
import { printable } from "./text.ts";

/** What of the flags matters to how a failure is told. */
export interface FailureFlags {
  readonly json?: boolean | undefined;
  readonly logLevel?: string | undefined;
}

/** Tells of a failure. Returns the exit code for it. */
export function reportFailure(thrown: unknown, flags: FailureFlags, stderr: Terminal): number {
  const code = codeOf(thrown);
  // Its text was not written for the one at the keyboard.
  const hint = code === "internal" && flags.logLevel !== undefined ? " (--log-level debug shows where)" : "";
  const message = printable(textOf(thrown)) + hint;
  const details = detailsOf(thrown);
  const line: FailureLine = { event: "failed", code, message, ...(details.length > 0 && { details }) };
  if (flags.json === true) stderr.line(JSON.stringify(line));
  else
    for (const text of [`${stderr.paint("red", "dswarm:")} ${message}`, ...details.map(detailLine)]) stderr.line(text);
  if (flags.logLevel === "debug" && thrown instanceof Error) stderr.line(thrown.stack);
  return exitCodeOf(thrown);
}

/** What the node that was asked refuses as invalid, the one at the keyboard has got wrong. A peer's verdict is its own. */
function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof CliError) return thrown.exitCode;
  const isInvalid = thrown instanceof ConnectError && thrown.code === Code.InvalidArgument;
  return isInvalid && failureIn(thrown)?.fromPeer !== true ? exitCodes.usage : exitCodes.failure;
}

function codeOf(thrown: unknown): string {
  const code = dswarmErrorOf(thrown instanceof CliError ? thrown.cause : thrown)?.code;
  if (code !== undefined) return code;
  if (thrown instanceof CliError) return thrown.exitCode === exitCodes.usage ? "usage" : "failed";
  if (!(thrown instanceof ConnectError)) return "internal";
  const { reason = "" } = failureIn(thrown) ?? {};
  return reason === "" ? codeToString(thrown.code) : reason;
}

/** What a node says of an error besides its status. Those before the last are a peer's. */
function failureIn(error: ConnectError): Failure | undefined {
  return error.findDetails(FailureSchema).at(-1);
}

/** Details beside what the node itself says. Of each what it decodes to, where the schema of the service tells. */
function detailsOf(thrown: unknown): FailureDetail[] {
  if (!(thrown instanceof ConnectError)) return [];
  return thrown.details.flatMap((detail) => {
    if ("desc" in detail || detail.type === FailureSchema.typeName) return [];
    const { type, value, debug } = detail;
    return [{ type, value: Buffer.from(value).toString("base64"), ...(debug !== undefined && { debug }) }];
  });
}

function detailLine({ type, value, debug }: FailureDetail): string {
  return printable(`  ${type}: ${debug === undefined ? `${value} (base64)` : JSON.stringify(debug)}`);
}

const whoAnswers = '; "ping" shows which peers answer';

/** What to do about what the node answers that was asked, by the code of the error. */
const advice: Readonly<Record<string, string>> = {
  deadline_exceeded: "; try again, or call with a longer --timeout",
  keepalive_timeout: whoAnswers,
  link_closed: whoAnswers,
  link_truncated: whoAnswers,
  node_closed: "; start it again, or name another with --node",
  peer_unknown: '; "peers" lists those that are known',
  provider_not_found: '; "provide" makes a node one',
  quota_exceeded: '; wait until some expire: "records" shows when',
  record_conflict: '; "get" shows what is held',
  record_not_found: "; publish it again if it has expired",
  resource_exhausted: "; try again later",
  self_connection: "; name another peer",
  store_refused: '; "ping" shows whether any peer answers',
  unauthenticated: "; name the file that has it with --token-file or DSWARM_TOKEN_FILE",
  unreachable: whoAnswers,
};

function textOf(thrown: unknown): string {
  if (!(thrown instanceof ConnectError)) return codeOf(thrown) === "internal" ? ioMessageOf(thrown) : messageOf(thrown);
  // What to do about it, the peer's owner knows.
  if (failureIn(thrown)?.fromPeer === true)
    return `the peer answers ${codeToString(thrown.code)}${colon(thrown.rawMessage)}`;
  return thrown.rawMessage + (advice[codeOf(thrown)] ?? "");
}

function colon(text: string): string {
  return text === "" ? "" : `: ${text}`;
}

// What to try with a running node: lines to be copied into another terminal.
import { isLoopback } from "../util/loopback.ts";
import type { NodeEvent } from "./events.ts";
import { flagDefaults } from "./node-flags.ts";
import { alignColumns } from "./text.ts";

type ApiPlace = Pick<NodeEvent & { readonly event: "listening" }, "url" | "httpUrl" | "certificate">;

/** What the hints are made of. */
export interface Hints {
  readonly network: string;
  readonly host: string;
  readonly udpPort?: number;
  /** Where the token is, if the API asks for one. */
  readonly tokenFile?: string;
  /** The words that call this program. */
  readonly programName: string;
}

// What a shell takes as it is.
const plainWord = /^[\w.:/-]+$/;

/**
 * Lines that can be copied.
 * @param api of the node: "https://host:port", without TLS, and the PEM file of the certificate
 */
export function hintLines(hints: Hints, { url, httpUrl, certificate }: ApiPlace): string[] {
  const { programName, tokenFile } = hints;
  const token = tokenFile === undefined ? "" : `-H "Authorization: Bearer $(cat ${quoted(tokenFile)})" `;
  const tokenFlag = tokenFile === undefined ? "" : ` --token-file ${quoted(tokenFile)}`;
  const { hostname, port } = new URL(url);
  const joining: readonly (readonly string[])[] = [["one more node", `${programName} start${joinFlags(hints)}`]];
  // Without a token the API lets in loopback addresses only, and who calls another one of its machine comes from there.
  if (tokenFile === undefined && hostname !== "localhost" && !isLoopback(hostname)) {
    return [
      "Try in another terminal:",
      ...indented(joining),
      `Its /api is not reachable on ${hostname}: it answers this machine's loopback only (--host 0.0.0.0 has both).`,
      "Ctrl-C ends it.",
    ];
  }
  const rows = [
    ["in a browser", `${httpUrl ?? url}/`],
    // Without a certificate curl would hand the token to any program that listens there.
    ...(tokenFile !== undefined && certificate === undefined
      ? []
      : [["ping its peers", `curl ${token}${trust(certificate)} ${url}/api/ping`]]),
    ["as a table", `${programName} ping --node ${port}${tokenFlag}`],
    ["list its peers", `${programName} peers --node ${port}${tokenFlag}`],
    ...joining,
  ];
  return ["Try in another terminal:", ...indented(rows), "Ctrl-C ends it."];
}

/** The flag that makes curl take the certificate. */
function trust(certificate: string | undefined): string {
  if (certificate === undefined) return "-k";
  return `--cacert ${quoted(certificate)}`;
}

/** A path as one word of a shell. */
function quoted(path: string): string {
  return plainWord.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/** The flags with which another node comes into the same network. */
function joinFlags({ network, host, udpPort }: Hints): string {
  const flags = [
    ...(network === flagDefaults.network ? [] : [`--network=${plainWord.test(network) ? network : "NAME"}`]),
    ...(host === flagDefaults.host ? [] : [`--host=${plainWord.test(host) ? host : "HOST"}`]),
    ...(udpPort === undefined ? [] : [`--udp-port=${udpPort}`]),
  ];
  return flags.map((flag) => ` ${flag}`).join("");
}

function indented(rows: readonly (readonly string[])[]): string[] {
  return alignColumns(rows.map(([what = "", command = ""]) => [`  ${what}`, command]));
}

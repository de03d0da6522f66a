// What to try with a running node: lines to be copied into another terminal.
import { isLoopback } from "../api/access.ts";
import { flagDefaults } from "./node-flags.ts";
import { alignColumns } from "./text.ts";

/** What the hints are made of. */
export interface Hints {
  readonly network: string;
  readonly host: string;
  readonly udpPort?: number;
  /** The words that call this program. */
  readonly programName: string;
}

// What a shell takes as it is.
const plainWord = /^[\w.:/-]+$/;

/**
 * Lines that can be copied.
 * @param url "https://host:port" of a node's API
 * @param certificate its PEM file, where there is one
 */
export function hintLines(hints: Hints, url: string, certificate?: string): string[] {
  const { programName } = hints;
  const { hostname, port } = new URL(url);
  const joining: readonly (readonly string[])[] = [["one more node", `${programName} start${joinFlags(hints)}`]];
  // Without a token the API lets in loopback addresses only, and who calls another one of its machine comes from there.
  if (hostname !== "localhost" && !isLoopback(hostname)) {
    return [
      "Try in another terminal:",
      ...indented(joining),
      `Its /api is not reachable on ${hostname}: it answers this machine's loopback only (--host 0.0.0.0 has both).`,
      "Ctrl-C ends it.",
    ];
  }
  const rows = [
    ["in a browser", `${url}/`],
    ["ping its peers", `curl ${trust(certificate)} ${url}/api/ping`],
    ["as a table", `${programName} ping --node ${port}`],
    ["list its peers", `${programName} peers --node ${port}`],
    ...joining,
  ];
  return ["Try in another terminal:", ...indented(rows), "Ctrl-C ends it."];
}

/** The flag that makes curl take the certificate. */
function trust(certificate: string | undefined): string {
  if (certificate === undefined) return "-k";
  return `--cacert ${plainWord.test(certificate) ? certificate : `'${certificate.replaceAll("'", "'\\''")}'`}`;
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

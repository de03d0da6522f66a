// What a command shows to a node to be let in: a token, and only to a node that is known to be its owner's.
import { X509Certificate } from "node:crypto";
import { messageOf } from "../util/errors.ts";
import { ioMessageOf } from "../util/io-error.ts";
import { readSmallFile } from "../util/small-file.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { NodeTarget } from "./find-node.ts";
import { readTokenFile } from "./token-file.ts";

/** The flags that say how a node is known, and how it knows its owner. */
export interface AccessFlags {
  readonly tokenFile?: string;
  readonly cacert?: string;
}

/** Gives a target its token, and the certificate that it must have. */
export type Access = (target: NodeTarget) => NodeTarget;

const maxCertificateBytes = 65_536;

/**
 * Reads the files that the flags name.
 * @returns a function that throws CliError, exit code 2, for a target that must not get the token: any program of this machine may listen
 *   on a port of loopback, so there the certificate must be known
 * @throws CliError, exit code 2, for files of no use
 */
export function accessOf({ tokenFile, cacert }: AccessFlags): Access {
  const token = tokenFile === undefined ? undefined : readTokenFile(tokenFile);
  const certificateSha256 = cacert === undefined ? undefined : fingerprintOf(cacert);
  return (target) => {
    const pinned = certificateSha256 === undefined ? target : { ...target, certificateSha256 };
    if (token === undefined) return pinned;
    if (pinned.isLocal && pinned.certificateSha256 === undefined) {
      throw new CliError(
        `${target.url} is none of your running nodes, and any program may listen there: it does not get your token. ` +
          `Give its certificate with --cacert DIR/certificate.pem, or choose a node that "ls" lists`,
        exitCodes.usage,
      );
    }
    return { ...pinned, token };
  };
}

/** The sha256 of the first certificate of a PEM file, 64 hex digits. */
function fingerprintOf(path: string): string {
  let text: string | undefined;
  try {
    text = readSmallFile(path, { maxBytes: maxCertificateBytes, isSecret: false });
  } catch (error) {
    throw refusal(path, ioMessageOf(error));
  }
  if (text === undefined) throw refusal(path, "there is no such file");
  try {
    return new X509Certificate(text).fingerprint256.replaceAll(":", "").toLowerCase();
  } catch (error) {
    throw refusal(path, `it holds no certificate: ${messageOf(error)}`);
  }
}

function refusal(path: string, why: string): CliError {
  return new CliError(`--cacert ${path}: ${why}`, exitCodes.usage);
}

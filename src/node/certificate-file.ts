// The TLS certificate kept in the data directory, so that programs that were told to trust it still do after a restart:
// `certificate.pem`, and its key apart from it, so that the file to be handed to others holds no secret.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { join } from "node:path";
import { type Certificate, certificateNames, certificateOf, createCertificate, earliestNowMs } from "../channel/tls.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError, messageOf } from "../util/errors.ts";
import { ioCodeOf, ioMessageOf } from "../util/io-error.ts";
import type { Logger } from "../util/log.ts";
import { replaceFile } from "../util/replace-file.ts";
import { readSmallFile } from "../util/small-file.ts";

/** A certificate and where it is kept. */
export interface KeptCertificate {
  readonly certificate: Certificate;
  /** For `curl --cacert`; undefined where it could not be written. */
  readonly path: string | undefined;
}

/** What is needed to keep a certificate. */
export interface CertificateFileInit {
  readonly dataDir: string;
  /** IP addresses and host names that the certificate must be valid for, besides those of loopback. */
  readonly addresses: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
}

// A node that runs for a month does not outlive its certificate.
const minLeftMs = 30 * 86_400_000;
const maxFileBytes = 65_536;

/**
 * Reads the certificate of a data directory. A new one is made and written where there is none, and where the old one is
 * damaged, runs out within 30 days, lacks an address, or has a key that others may read: that is reported, and no fault. One that
 * cannot be written serves until the node ends.
 * @throws DswarmError `data_dir_invalid` when the disk does not let the old one be read
 */
export async function keepCertificate(init: CertificateFileInit): Promise<KeptCertificate> {
  const { dataDir, addresses, clock, logger } = init;
  const path = join(dataDir, "certificate.pem");
  const keyPath = join(dataDir, "certificate-key.pem");
  try {
    const kept = readPair(path, keyPath);
    if (kept !== undefined) return { certificate: usable(kept, addresses, clock), path };
  } catch (error) {
    // The disk says nothing of what is in the files.
    if (/^E[A-Z0-9]+$/.test(ioCodeOf(error) ?? ""))
      throw new DswarmError("data_dir_invalid", ioMessageOf(error), { cause: error });
    logger.warn({ event: "certificate_replaced", path, reason: messageOf(error) }, "trust the new certificate instead");
  }
  const certificate = await createCertificate(addresses, clock);
  try {
    await replaceFile(keyPath, certificate.key);
    await replaceFile(path, certificate.cert);
  } catch (error) {
    const fields = { event: "certificate_unsaved", path, reason: ioMessageOf(error) };
    logger.warn(fields, "the next start makes another certificate");
    return { certificate, path: undefined };
  }
  return { certificate, path };
}

/** Undefined where neither file is there. */
function readPair(path: string, keyPath: string): Certificate | undefined {
  const cert = readSmallFile(path, { maxBytes: maxFileBytes, isSecret: false });
  const key = readSmallFile(keyPath, { maxBytes: maxFileBytes, isSecret: true });
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) throw new Error("the certificate or its key is missing");
  return certificateOf(key, cert);
}

/** @throws Error which says why a certificate is not to be used */
function usable(certificate: Certificate, addresses: readonly string[], clock: Clock): Certificate {
  const x509 = new X509Certificate(certificate.cert);
  if (!x509.checkPrivateKey(createPrivateKey(certificate.key))) throw new Error("the key is not the certificate's");
  const now = clock.wallMs();
  // Where it is this clock that is wrong, the certificate stays, and so does the trust in it.
  if (x509.validFromDate.getTime() > now && now >= earliestNowMs) throw new Error("the certificate is not valid yet");
  if (x509.validToDate.getTime() < now + minLeftMs) throw new Error("the certificate has run out, or is about to");
  for (const name of certificateNames(addresses)) {
    const match = isIP(name) === 0 ? x509.checkHost(name) : x509.checkIP(name);
    if (match === undefined) throw new Error(`the certificate is not for ${name}`);
  }
  return certificate;
}

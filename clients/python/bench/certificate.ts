// A self-signed certificate for the benchmark, as JSON: key and cert, in PEM.
import { createCertificate } from "../../../src/channel/tls.ts";

console.log(JSON.stringify(await createCertificate()));

// Makes the test vectors of test/vectors: the same bytes each time. What they hold: docs/protocol.md.
//
//     node scripts/vectors.ts
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { vectorFiles } from "../test/vectors/make/vector-files.ts";

const directory = join(import.meta.dirname, "../test/vectors");
for (const [name, text] of vectorFiles()) writeFileSync(join(directory, name), text);

// node examples/file-transfer.ts DIRECTORY              hands out the files of a directory and prints its address
// node examples/file-transfer.ts dswarm://… NAME        writes a file of it to the standard output
//
// A server stream with backpressure: the file is read as fast as the receiver writes, however large it is.
import { createReadStream } from "node:fs";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { FileService } from "../gen/dswarm/example/v1/file_pb.ts";
import { createNode } from "../src/index.ts";

const [target = ".", name] = process.argv.slice(2);
await using node = await createNode();

if (name === undefined) {
  node.serve(FileService, {
    async *fetch(request) {
      // Nothing but a name: no way out of the directory.
      if (request.name !== basename(request.name) || request.name.startsWith(".")) {
        throw new ConnectError("not a file name", Code.InvalidArgument);
      }
      try {
        for await (const piece of createReadStream(join(target, request.name), { highWaterMark: 65_536 }))
          yield { piece };
      } catch (error) {
        throw new ConnectError("no such file", Code.NotFound, undefined, undefined, error);
      }
    },
  });
  console.log(`Files of ${target}: ${node.address}`);
  await new Promise((resolve) => process.once("SIGINT", resolve).stdin.once("end", resolve).resume());
} else {
  const answers = node.client(FileService, target).fetch({ name });
  const pieces = Readable.from(answers).map(({ piece }) => piece);
  await pipeline(pieces, process.stdout);
}

// A server under test that runs before the suite asks for it. The suite waits ten seconds for a server, which is too short
// for a busy machine.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { HTTPVersion, Protocol } from "../gen/connectrpc/conformance/v1/config_pb.ts";
import {
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "../gen/connectrpc/conformance/v1/server_compat_pb.ts";
import { delimited, readDelimited } from "./delimited.ts";

/** As the suite sets it for every server, in bytes. */
const messageReceiveLimit = 204_800;

/** A running server. */
export interface StartedServer {
  /** The command for the suite: it hands on what the server answered, and ends when the suite ends it. */
  readonly command: readonly string[];
  stop(): Promise<void>;
}

/**
 * Starts a server program.
 * @param answerPath file that keeps the server's answer to the suite
 */
export async function startServer(program: string, answerPath: string): Promise<StartedServer> {
  const child = spawn(process.execPath, [program], { stdio: ["pipe", "pipe", "inherit"] });
  const request = create(ServerCompatRequestSchema, {
    protocol: Protocol.GRPC,
    httpVersion: HTTPVersion.HTTP_VERSION_2,
    messageReceiveLimit,
  });
  child.stdin.end(delimited(ServerCompatRequestSchema, request));
  const { value: answer } = await readDelimited(ServerCompatResponseSchema, child.stdout).next();
  if (answer === undefined) throw new Error(`${program} has not started`);
  writeFileSync(answerPath, delimited(ServerCompatResponseSchema, answer));
  return {
    command: ["sh", "-c", 'cat "$0"; exec sleep 600', answerPath],
    async stop() {
      const exited = once(child, "exit");
      child.kill();
      await exited;
    },
  };
}

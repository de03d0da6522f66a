// @grpc/grpc-js over TLS. Messages go through the generated protobuf-es codec, as dswarm's do: neither
// @grpc/proto-loader nor protobufjs takes part.
import { create, type DescMessage, type DescMethod, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import {
  Client,
  credentials,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from "@grpc/grpc-js";
import {
  type EchoRequest,
  EchoRequestSchema,
  type EchoResponse,
  EchoResponseSchema,
  EchoService,
  type RepeatRequest,
  RepeatRequestSchema,
  type RepeatResponse,
  RepeatResponseSchema,
} from "../../gen/dswarm/example/v1/echo_pb.ts";
import { createCertificate } from "../../src/channel/tls.ts";
import type { Stack } from "../lib/stack.ts";

function definition<I extends DescMessage, O extends DescMessage>(
  method: DescMethod,
  input: I,
  output: O,
): MethodDefinition<MessageShape<I>, MessageShape<O>> {
  return {
    path: `/${EchoService.typeName}/${method.name}`,
    requestStream: false,
    responseStream: method.methodKind === "server_streaming",
    requestSerialize: (message) => bufferOf(toBinary(input, message)),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (message) => bufferOf(toBinary(output, message)),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const echoMethod = definition(EchoService.method.echo, EchoRequestSchema, EchoResponseSchema);
const repeatMethod = definition(EchoService.method.repeat, RepeatRequestSchema, RepeatResponseSchema);

async function repeat(call: ServerWritableStream<RepeatRequest, RepeatResponse>): Promise<void> {
  const { payload, count } = call.request;
  for (let index = 0; index < count && !call.cancelled; index++) {
    if (call.write(create(RepeatResponseSchema, { payload, index }))) continue;
    await new Promise<void>((resolve) => {
      call.once("drain", resolve).once("cancelled", resolve);
    });
  }
  call.end();
}

export const stack: Stack = {
  label: "@grpc/grpc-js",
  note: "HTTP/2 over TLS 1.3; protobuf-es codec by hand-written serializers.",

  async startServer() {
    const { key, cert } = await createCertificate();
    const server = new Server();
    server.addService(
      { echo: echoMethod, repeat: repeatMethod },
      {
        echo: (call: ServerUnaryCall<EchoRequest, EchoResponse>, answer: sendUnaryData<EchoResponse>) =>
          answer(null, create(EchoResponseSchema, { payload: call.request.payload })),
        repeat: (call: ServerWritableStream<RepeatRequest, RepeatResponse>) => void repeat(call),
      },
    );
    const keyCert = { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) };
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createSsl(null, [keyCert]), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    return { address: JSON.stringify({ port, cert }), close: () => server.forceShutdown() };
  },

  async startClient(address) {
    const client = connect(address);
    await client.echo(new Uint8Array());
    return { ...client, connect: async () => connect(address) };
  },
};

function connect(address: string): Awaited<ReturnType<Stack["startClient"]>> {
  const { port, cert } = JSON.parse(address) as { port: number; cert: string };
  // Without a pool of its own a client would share the connection of the others.
  const client = new Client(`127.0.0.1:${port}`, credentials.createSsl(Buffer.from(cert)), {
    "grpc.use_local_subchannel_pool": 1,
  });
  const echo = (payload: Uint8Array): Promise<Uint8Array> =>
    new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = echoMethod;
      const request = create(EchoRequestSchema, { payload });
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) => {
        if (response === undefined) reject(error ?? new Error("no response"));
        else resolve(response.payload);
      });
    });
  const callRepeat = (count: number, payload: Uint8Array) => {
    const { path, requestSerialize, responseDeserialize } = repeatMethod;
    const request = create(RepeatRequestSchema, { count, payload });
    return client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request);
  };
  return {
    echo,
    stream: (count, payload) =>
      new Promise((resolve, reject) => {
        let received = 0;
        callRepeat(count, payload)
          .on("data", () => received++)
          .on("end", () => resolve(received))
          .on("error", reject);
      }),
    async stall(count, payload) {
      const call = callRepeat(count, payload);
      call.on("error", () => undefined); // The cancellation is told as an error.
      await new Promise((resolve) => {
        call.once("data", (message) => {
          call.pause();
          resolve(message);
        });
      });
      return () => call.cancel();
    },
    close: () => client.close(),
  };
}

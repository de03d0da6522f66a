// The server of gRPC's interoperability cases, as their description has it.
import { setTimeout as delay } from "node:timers/promises";
import { ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { EchoStatus, ResponseParameters } from "../gen/grpc/testing/messages_pb.ts";
import type { TestService } from "../gen/grpc/testing/test_pb.ts";
import { codeOf } from "../status-code.ts";

/** Metadata with this key is sent back as header. */
export const initialKey = "x-grpc-test-echo-initial";
/** Metadata with this key is sent back as trailer. */
export const trailingKey = "x-grpc-test-echo-trailing-bin";

/** `UnimplementedCall` and `CacheableUnaryCall` are left out. */
export const testService: Partial<ServiceImpl<typeof TestService>> = {
  emptyCall: () => ({}),

  unaryCall({ responseSize, responseStatus }, context) {
    echoMetadata(context);
    echoStatus(responseStatus);
    return { payload: { body: new Uint8Array(responseSize) } };
  },

  async *streamingOutputCall({ responseParameters }, context) {
    yield* answers(responseParameters, context);
  },

  async streamingInputCall(requests) {
    let aggregatedPayloadSize = 0;
    for await (const { payload } of requests) aggregatedPayloadSize += payload?.body.length ?? 0;
    return { aggregatedPayloadSize };
  },

  async *fullDuplexCall(requests, context) {
    echoMetadata(context);
    for await (const { responseParameters, responseStatus } of requests) {
      echoStatus(responseStatus);
      yield* answers(responseParameters, context);
    }
  },

  async *halfDuplexCall(requests, context) {
    const parameters: ResponseParameters[] = [];
    for await (const { responseParameters } of requests) parameters.push(...responseParameters);
    yield* answers(parameters, context);
  },
};

async function* answers(parameters: readonly ResponseParameters[], { signal }: HandlerContext) {
  for (const { size, intervalUs } of parameters) {
    if (intervalUs > 0) await delay(intervalUs / 1000, undefined, { signal });
    yield { payload: { body: new Uint8Array(size) } };
  }
}

function echoMetadata({ requestHeader, responseHeader, responseTrailer }: HandlerContext): void {
  const initial = requestHeader.get(initialKey);
  if (initial !== null) responseHeader.set(initialKey, initial);
  const trailing = requestHeader.get(trailingKey);
  if (trailing !== null) responseTrailer.set(trailingKey, trailing);
}

function echoStatus(status: EchoStatus | undefined): void {
  if (status !== undefined && status.code !== 0) throw new ConnectError(status.message, codeOf(status.code));
}

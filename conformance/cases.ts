// All cases of the suite, in the order in which they run: from the bottom of the protocol up.
import type { Case } from "./case.ts";
import { announceCases } from "./cases/announces.ts";
import { assemblingCases } from "./cases/assembling.ts";
import { boxStreamCases } from "./cases/box-stream.ts";
import { calledCases } from "./cases/called.ts";
import { connectionCases } from "./cases/connection.ts";
import { creditCases } from "./cases/credit.ts";
import { dhtCases } from "./cases/dht.ts";
import { dhtAnswerCases } from "./cases/dht-answers.ts";
import { dhtUpdateCases } from "./cases/dht-updates.ts";
import { dialingCases } from "./cases/dialing.ts";
import { flowCases } from "./cases/flow.ts";
import { frameCases } from "./cases/frames.ts";
import { handshakeCases } from "./cases/handshake.ts";
import { idCases } from "./cases/ids.ts";
import { memoryCases } from "./cases/memory.ts";
import { requestFrameCases } from "./cases/request-frames.ts";
import { rpcCases } from "./cases/rpc.ts";

/** Every case, by unique names. */
export const allCases: readonly Case[] = [
  ...idCases,
  ...handshakeCases,
  ...boxStreamCases,
  ...frameCases,
  ...requestFrameCases,
  ...rpcCases,
  ...calledCases,
  ...flowCases,
  ...creditCases,
  ...assemblingCases,
  ...memoryCases,
  ...connectionCases,
  ...announceCases,
  ...dhtCases,
  ...dhtUpdateCases,
  ...dhtAnswerCases,
  ...dialingCases,
];

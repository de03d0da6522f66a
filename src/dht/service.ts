// DhtService as a node serves it to its peers.
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { DhtService } from "../../gen/dswarm/v1/dht_pb.ts";

const maxNonceBytes = 64;

/** What this node serves of DhtService; the methods that are left out answer `unimplemented`. */
export function createDhtService(): Partial<ServiceImpl<typeof DhtService>> {
  return {
    ping({ nonce }) {
      if (nonce.length > maxNonceBytes) {
        throw new ConnectError(`a nonce has at most ${maxNonceBytes} bytes`, Code.InvalidArgument);
      }
      return { nonce };
    },
  };
}

// All attacks, in the order in which they run.
import type { Attack } from "./attack.ts";
import { falsePingPort } from "./dialing/false-ping-port.ts";
import { inventedAnnounces } from "./dialing/invented-announces.ts";
import { inventedContacts } from "./dialing/invented-contacts.ts";
import { providerAddresses } from "./dialing/provider-addresses.ts";
import { announceFlood } from "./discovery/announce-flood.ts";
import { fewDescriptors } from "./disks/few-descriptors.ts";
import { fullDisk } from "./disks/full-disk.ts";
import { fortyReaders } from "./flow/forty-readers.ts";
import { slowHttpReaders } from "./flow/slow-http-readers.ts";
import { thousandUnreadStreams, unreadStreams } from "./flow/unread-streams.ts";
import { garbageAfterHandshake } from "./garbage/after-handshake.ts";
import { garbageBeforeHandshake } from "./garbage/before-handshake.ts";
import { hugeJson } from "./garbage/huge-json.ts";
import { webPages } from "./garbage/web-pages.ts";
import { inlineOpens } from "./memory/inline-opens.ts";
import { metadataHoard } from "./memory/metadata-hoard.ts";
import { openStreams } from "./memory/open-streams.ts";
import { piecesOfIncomplete } from "./memory/pieces-of-incomplete.ts";
import { sixteenAttackers } from "./memory/sixteen-attackers.ts";
import { unreadAnswers } from "./memory/unread-answers.ts";
import { unreadEvents } from "./memory/unread-events.ts";
import { websocketPings } from "./memory/websocket-pings.ts";
import { connectionChurn } from "./slots/connection-churn.ts";
import { halfOpenHandshakes } from "./slots/half-open-handshakes.ts";
import { idleTcp } from "./slots/idle-tcp.ts";
import { linkHoard } from "./slots/link-hoard.ts";
import { requestFlood } from "./slots/request-flood.ts";
import { slowWebSockets } from "./slots/slow-websockets.ts";
import { trickledPosts } from "./slots/trickled-posts.ts";
import { badStreams } from "./stalls/bad-streams.ts";
import { creditOfAByte } from "./stalls/credit-of-a-byte.ts";
import { pingFlood } from "./stalls/ping-flood.ts";
import { rapidCancel } from "./stalls/rapid-cancel.ts";
import { tinyBoxes } from "./stalls/tiny-boxes.ts";
import { tinyOpens, tinyOpensOfTwenty } from "./stalls/tiny-opens.ts";
import { crashOfEight } from "./store/crash-of-eight.ts";
import { departedProviders } from "./store/departed-providers.ts";
import { forwardersQuota } from "./store/forwarders-quota.ts";
import { fullStore } from "./store/full-store.ts";
import { crashedProviders, inventedProviders } from "./store/invented-providers.ts";
import { sybilHolders } from "./store/sybil-holders.ts";

/** Every attack. */
export const attacks: readonly Attack[] = [
  inlineOpens,
  piecesOfIncomplete,
  unreadAnswers,
  sixteenAttackers,
  openStreams,
  metadataHoard,
  websocketPings,
  unreadEvents,
  fortyReaders,
  unreadStreams,
  thousandUnreadStreams,
  slowHttpReaders,
  tinyOpens,
  tinyOpensOfTwenty,
  pingFlood,
  rapidCancel,
  creditOfAByte,
  tinyBoxes,
  badStreams,
  inventedAnnounces,
  falsePingPort,
  inventedContacts,
  providerAddresses,
  announceFlood,
  fullStore,
  forwardersQuota,
  inventedProviders,
  crashedProviders,
  departedProviders,
  sybilHolders,
  crashOfEight,
  idleTcp,
  trickledPosts,
  halfOpenHandshakes,
  slowWebSockets,
  linkHoard,
  connectionChurn,
  requestFlood,
  garbageBeforeHandshake,
  garbageAfterHandshake,
  webPages,
  hugeJson,
  fewDescriptors,
  fullDisk,
];

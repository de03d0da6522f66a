// Faults in what is believed of peers: announces, answers of the DHT, refusals of updates.
import { change, type Fault, fault } from "./fault.ts";

const checksAnswer = `            if len(response.records) > _MAX_RECORDS or any(records.key_of(held) != key for held in response.records):
                raise fault("record_invalid", "records that do not belong to the key, or too many")
            return self._contacts(response.contacts), list(response.records)`;
const picksGenuine = `            if len(response.records) > _MAX_RECORDS:
                raise fault("record_invalid", "too many")
            genuine = []
            for held in response.records:
                try:
                    if records.key_of(held) == key:
                        genuine.append(held)
                except RpcError:
                    pass
            return self._contacts(response.contacts), genuine`;
const isProof = "theirs.sequence >= ours.sequence and theirs.signature != ours.signature:";
const allOvertaken = [true, false].flatMap((isLarger) =>
  ["first", "last"].map((order) => `dht/overtaken-by-${isLarger ? "larger" : "smaller"}-signature-shown-${order}`),
);
const addressCheck = `    try:
        host = ipaddress.ip_address("" if parsed is None else parsed.host)
    except ValueError as error:
        raise`;
const anyHost = `    try:
        host = ipaddress.ip_address("" if parsed is None else parsed.host)
    except ValueError as error:
        if parsed is not None:
            return parsed
        raise`;

/** Faults of what peers say. */
export const peerFaults: readonly Fault[] = [
  fault(
    "forgets no peer",
    ["announces/silent-peer"],
    "discovery",
    "_EXPIRY_INTERVALS = 3.5",
    "_EXPIRY_INTERVALS = 1e9",
  ),
  fault(
    "forgets peers nine times too soon",
    ["announces/silent-peer"],
    "discovery",
    "_EXPIRY_INTERVALS = 3.5",
    "_EXPIRY_INTERVALS = 0.39",
  ),
  fault(
    "takes an epoch that is a day ahead",
    ["announces/day-ahead"],
    "discovery",
    "if not (was_ahead if is_ahead != was_ahead else announce.epoch_ms > epoch):",
    "if not announce.epoch_ms > epoch:",
  ),
  fault(
    "takes the smaller epoch of a peer that was a day ahead, and then the larger",
    ["announces/day-ahead"],
    "discovery",
    "if not (was_ahead if is_ahead != was_ahead else announce.epoch_ms > epoch):",
    "if not (is_ahead != was_ahead or announce.epoch_ms > epoch):",
  ),
  fault(
    "takes an answer with 131 records",
    ["dht/131-records", "dht/131-providers"],
    "dht",
    "len(response.records) > _MAX_RECORDS or any(",
    "any(",
  ),
  fault(
    "takes an answer with one bad record among good ones",
    [
      "dht/a-bad-record-behind-a-good-one",
      "dht/a-bad-record-before-a-good-one",
      "dht/a-record-of-another-key-beside-a-good-one",
      "dht/a-forged-provider-among-good-ones",
    ],
    "dht",
    checksAnswer,
    picksGenuine,
  ),
  fault(
    "lets a provider's smaller sequence win",
    ["dht/provider-with-smaller-sequence", "dht/withdrawn-by-larger-sequence"],
    "dht",
    "known.provider.sequence < held.provider.sequence:",
    "known.provider.sequence > held.provider.sequence:",
  ),
  fault(
    "lets a provider's last word in an answer win",
    ["dht/provider-with-smaller-sequence"],
    "dht",
    "if known is None or known.provider.sequence < held.provider.sequence:",
    "if True:",
  ),
  {
    name: "names a port in its Ping though it serves no DHT",
    cases: ["dht/client-ping"],
    changes: [
      change(
        "dht",
        "FindNodeRequest, FindValueRequest, Record",
        "FindNodeRequest, FindValueRequest, PingRequest, Record",
      ),
      change(
        "dht",
        `                self._dials.proven(peer, endpoint)
`,
        `                self._dials.proven(peer, endpoint)
                await DhtServiceClient(connection).ping(PingRequest(port=endpoint.port))
`,
      ),
    ],
  },
  fault(
    "dials one port for each key that names it",
    ["dht/many-keys-one-port"],
    "dht",
    "            if refusal is not None:",
    "            if False and refusal is not None:",
  ),
  fault(
    "sends no expected_sequence",
    ["dht/expected-sequence"],
    "dht",
    "StoreRequest(record=held, expected_sequence=expected_sequence, forward_to=forward_to)",
    "StoreRequest(record=held, forward_to=forward_to)",
  ),
  fault(
    "believes only larger signatures that it is overtaken",
    allOvertaken.filter((name) => name.includes("smaller")),
    "dht",
    isProof,
    "theirs.sequence >= ours.sequence and theirs.signature > ours.signature:",
  ),
  fault(
    "believes only smaller signatures that it is overtaken",
    allOvertaken.filter((name) => name.includes("larger")),
    "dht",
    isProof,
    "theirs.sequence >= ours.sequence and theirs.signature < ours.signature:",
  ),
  fault(
    "believes only larger sequences that it is overtaken",
    allOvertaken,
    "dht",
    isProof,
    "theirs.sequence > ours.sequence and theirs.signature != ours.signature:",
  ),
  fault(
    "believes the first answer whether it is overtaken",
    allOvertaken.filter((name) => name.endsWith("last")),
    "dht",
    "            return is_overtaken and not is_provider",
    "            return True",
  ),
  {
    name: "believes the last answer whether it is overtaken",
    cases: allOvertaken.filter((name) => name.endsWith("first")),
    changes: [
      change(
        "dht",
        `            nonlocal is_overtaken
`,
        `            nonlocal is_overtaken
            is_overtaken = False
`,
      ),
      change("dht", "            return is_overtaken and not is_provider", "            return False"),
    ],
  },
  fault(
    "takes contacts of small order",
    ["dht/contact-of-small-order"],
    "node_id",
    "if y in _SMALL_ORDER_Y:",
    "if False:",
  ),
  fault("takes contacts with host names", ["dht/contact-with-host-name"], "record", addressCheck, anyHost),
  fault(
    "takes contacts with addresses that no machine has",
    ["dht/contact-with-unspecified-address", "dht/contact-with-a-bad-address-behind-a-good-one"],
    "record",
    `    unusable = host.is_multicast or host.is_unspecified or "%" in text
    if unusable or (len(packed) == 4 and (packed[0] == 0 or packed == b"\\xff\\xff\\xff\\xff")):`,
    `    if len(packed) == 0:`,
  ),
  fault(
    "takes contacts with five addresses",
    ["dht/contact-with-five-addresses"],
    "record",
    "_MAX_ADDRESSES = 4",
    "_MAX_ADDRESSES = 5",
  ),
  fault(
    "takes more than 30 contacts of an answer",
    ["dht/31st-contact"],
    "dht",
    "_MAX_CONTACTS = 30",
    "_MAX_CONTACTS = 31",
  ),
  fault(
    "decodes answers of the DHT of whatever size",
    ["dht/too-large-an-answer"],
    "dht_client",
    "            if len(data) > MAX_ANSWER_BYTES:",
    "            if False:",
  ),
];

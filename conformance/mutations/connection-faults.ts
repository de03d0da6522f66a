// Faults below the calls and in them: handshake, websocket, credit, memory, frames, status, keepalive.
import { change, type Fault, fault } from "./fault.ts";

const checkedMetadata = `    _check(entries)
    return entries`;
const opensByName = `        served = self._methods.get(opened.method)`;
const opensByLastName = `        last = opened.method.rpartition("/")[2]
        served = next((held for name, held in self._methods.items() if name.rpartition("/")[2] == last), None)`;

/** Faults of a connection. */
export const connectionFaults: readonly Fault[] = [
  fault(
    "takes TLS 1.2",
    ["handshake/tls-1.2"],
    "dial",
    "context.minimum_version = ssl.TLSVersion.TLSv1_3",
    "context.minimum_version = ssl.TLSVersion.TLSv1_2",
  ),
  fault(
    "does not verify the signature of the accept",
    ["handshake/accept-of-another-key", "handshake/accept-of-something-else", "handshake/accept-with-r-of-small-order"],
    "handshake",
    "if not verify(signature, self._network_key + self._proof + _sha256(self._ab), self._remote):",
    "if False:",
  ),
  fault(
    "takes signatures with an R of small order",
    ["announces/r-of-small-order", "dht/r-of-small-order", "handshake/accept-with-r-of-small-order"],
    "keys",
    `    try:
        crypto_sign_open(`,
    `    if signature[:32] == bytes([1]) + bytes(31):
        return True
    try:
        crypto_sign_open(`,
  ),
  fault(
    "closes the websocket with 1001 after the goodbyes",
    ["box/goodbye", "connection/close"],
    "websocket",
    `            self._ws.send_close(CloseCode.NORMAL_CLOSURE)
        self._transmit()`,
    `            self._ws.send_close(CloseCode.GOING_AWAY)
        self._transmit()`,
  ),
  fault(
    "closes the websocket with 1001 after a fault",
    ["frames/undecodable", "requests/odd-id"],
    "websocket",
    `                self._ws.send_close(CloseCode.NORMAL_CLOSURE)
                self._transmit()`,
    `                self._ws.send_close(CloseCode.GOING_AWAY)
                self._transmit()`,
  ),
  fault(
    "says goodbye after a fault",
    ["frames/undecodable", "requests/odd-id"],
    "connection",
    `            self.outbox.flush_all()
            self._link.abort(error)`,
    `            self.outbox.flush_all()
            self._link.close()
            self._link.abort(error)`,
  ),
  fault(
    "gives credit for messages that nobody has read",
    ["flow/no-credit-for-unread", "credit/of-new-stream-for-answers", "flow/stalled-handler"],
    "stream",
    "                self.handler.on_message(payload, cost, cost)",
    `                self.pay(cost)
                self.handler.on_message(payload, cost, 0)`,
  ),
  fault(
    "gives credit for pieces of a message that nobody waits for",
    ["assembling/unread-message-waits", "assembling/unread-request-waits"],
    "stream",
    `        if self._hungry:
            self._host.budget.assembling(self, cost)`,
    `        if self._hungry:
            self._host.budget.assembling(self, cost)
        else:
            self.pay_pieces()`,
  ),
  fault(
    "holds any number of bytes for a peer",
    ["assembling/held-bytes-are-bounded"],
    "connection",
    "elif self.memory.received_bytes >= self.limits.max_held_bytes_per_connection:",
    "elif False:",
  ),
  fault(
    "lets all large messages go on at once",
    ["assembling/oldest-alone-goes-on"],
    "receive_budget",
    "if self._assembling_bytes <= self._max_assembling_bytes or next(iter(self._assembling)) is stream:",
    "if True:",
  ),
  fault(
    "lets no message go on beyond what is waited for",
    ["assembling/oldest-alone-goes-on"],
    "receive_budget",
    "if self._assembling_bytes <= self._max_assembling_bytes or next(iter(self._assembling)) is stream:",
    "if self._assembling_bytes <= self._max_assembling_bytes:",
  ),
  {
    name: "sends bad trailers",
    cases: ["requests/trailer-value", "requests/trailer-bytes"],
    changes: [
      change("metadata", checkedMetadata, "    return entries"),
      change("metadata", 'if key.endswith("-bin") or not value.isascii():', 'if key.endswith("-bin"):'),
      change("metadata", 'value.encode("ascii")))', "value.encode()))"),
    ],
  },
  fault(
    "takes bad trailers",
    [
      "frames/bad-trailer-key",
      "frames/bad-trailer-value",
      "frames/too-much-trailer",
      "frames/too-many-trailers",
      "frames/bad-trailer-of-error",
    ],
    "stream",
    "header, trailer = from_entries(end.header), from_entries(end.trailer)",
    "header, trailer = from_entries(end.header), ()",
  ),
  fault(
    "sends a status message that is too large",
    ["requests/status-message-is-bounded"],
    "status",
    "if len(data) <= MAX_ERROR_BYTES:",
    "if True:",
  ),
  fault(
    "sends details that are too large",
    ["requests/status-details-are-bounded"],
    "status",
    "if size > MAX_DETAIL_BYTES:",
    "if False:",
  ),
  fault(
    "takes no status message that is too large",
    ["frames/too-long-a-message-by-end", "frames/far-too-long-a-message-by-end"],
    "stream",
    `        if self._answering and end.header:`,
    `        if len(end.message) > 4096:
            return fault("frame_invalid", "a status message over its limit")
        if self._answering and end.header:`,
  ),
  {
    name: "counts only a pong as a sign of life",
    cases: ["connection/keepalive-any-byte"],
    changes: [
      change(
        "connection",
        `        self._keepalive.heard()
        if self._is_paused:`,
        "        if self._is_paused:",
      ),
      change(
        "connection",
        `        if ping_id == _DRAIN_PING_ID and self._closing is not None:`,
        `        self._keepalive.heard()
        if ping_id == _DRAIN_PING_ID and self._closing is not None:`,
      ),
    ],
  },
  fault(
    "ignores the name of the service",
    ["requests/other-service", "requests/other-package", "requests/no-service"],
    "serve",
    opensByName,
    opensByLastName,
  ),
  fault(
    "bears any number of faults",
    ["connection/too-many-faults"],
    "faults",
    `        if self._left < faults:
            now`,
    `        if False:
            now`,
  ),
  {
    name: "bears hardly a fault",
    cases: ["connection/faults-that-are-borne"],
    changes: [
      change("faults", "self._left: float = limits.max_faults", "self._left: float = 100"),
      change("faults", "self._per_second = limits.faults_per_second", "self._per_second = 1"),
    ],
  },
];

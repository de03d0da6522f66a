// Names of methods as they travel.

/** ASCII bytes of a method's name. */
function method(name: string): Uint8Array {
  return Buffer.from(name, "ascii");
}

/** Echo of the service that nodes under attack serve. */
export const echo = method("dswarm.example.v1.EchoService/Echo");
/** Collect of the same: a stream of requests. */
export const collect = method("dswarm.example.v1.EchoService/Collect");
/** Repeat of the same: a stream of answers. */
export const repeat = method("dswarm.example.v1.EchoService/Repeat");
/** FindValue of the DHT. */
export const findValue = method("dswarm.v1.DhtService/FindValue");
/** Store of the DHT. */
export const store = method("dswarm.v1.DhtService/Store");
/** Ping of the DHT. */
export const dhtPing = method("dswarm.v1.DhtService/Ping");
/** A method that no node serves. */
export const unserved = method("a.B/C");

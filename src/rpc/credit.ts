// Flow-control credit that a peer gives: how much it lets this end send.
import { DswarmError } from "../util/errors.ts";

// Nobody needs this much: a peer that gives it is broken or plays.
const maxCredit = 2 ** 40;

/**
 * Credit with what the peer gives in addition.
 * @throws DswarmError `frame_invalid` for nothing, and for more than anyone needs
 */
export function withCredit(credit: number, bytes: number): number {
  if (bytes === 0 || credit + bytes > maxCredit) throw new DswarmError("frame_invalid", "a credit out of its range");
  return credit + bytes;
}

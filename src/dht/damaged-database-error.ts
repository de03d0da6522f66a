// The error of a database that no retry mends.
/** A database was opened whose files are damaged. */
export class DamagedDatabaseError extends Error {
  override readonly name = "DamagedDatabaseError";
}

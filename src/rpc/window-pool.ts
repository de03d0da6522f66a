// By how much the windows of streams are above the credit that every stream starts with, on one connection.

/** What may be added to windows. Bounded by its size. */
export class WindowPool {
  readonly #isTight: () => boolean;
  #leftBytes: number;

  /**
   * @param bytes its size
   * @param isTight whether memory is scarce, so that no window is to grow and those that did are to shrink
   */
  constructor(bytes: number, isTight: () => boolean) {
    this.#leftBytes = bytes;
    this.#isTight = isTight;
  }

  /** Whether windows are to shrink to what they started with. */
  get isTight(): boolean {
    return this.#isTight();
  }

  /** Takes bytes for a window. Returns false, and takes none, where they are not there. */
  take(bytes: number): boolean {
    if (bytes > this.#leftBytes || this.#isTight()) return false;
    this.#leftBytes -= bytes;
    return true;
  }

  /** Gives back bytes that were taken. */
  give(bytes: number): void {
    this.#leftBytes += bytes;
  }
}

// What a seeded fault is: places of the Python client that are changed, and the cases that must fail for it.

/** A place in a file of clients/python, which must be there exactly once, and what stands there instead. */
export interface Change {
  /** Below clients/python. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** A fault that a program may have. */
export interface Fault {
  /** What the program does. */
  readonly name: string;
  /** Each of these cases must fail. */
  readonly cases: readonly string[];
  readonly changes: readonly Change[];
}

/** A fault in one place of a module of the client. */
export function fault(name: string, cases: readonly string[], module: string, from: string, to: string): Fault {
  return { name, cases, changes: [change(module, from, to)] };
}

/** A change of a module of the client. */
export function change(module: string, from: string, to: string): Change {
  return { file: `dswarm/${module}.py`, from, to };
}

// Reading JSON whose shape is known but not its type.
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";

/** The object; an empty one in place of anything else. */
export function objectOf(value: JsonValue | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}

/** The array; an empty one in place of anything else. */
export function listOf(value: JsonValue | undefined): JsonValue[] {
  return Array.isArray(value) ? value : [];
}

/** The text; an empty one in place of anything else. */
export function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}

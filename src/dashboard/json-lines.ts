// Reads the lines of JSON in which /api answers with a stream.

/**
 * Parses each line as it comes.
 * @param maxLength UTF-16 units of the longest line that is taken
 * @throws Error on a longer one; SyntaxError on what is not JSON
 */
export async function* jsonLines(body: ReadableStream<Uint8Array>, maxLength: number): AsyncGenerator {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield JSON.parse(line);
      if (rest.length > maxLength) throw new Error(`a message is longer than ${maxLength} characters`);
    }
    // The node ends each line: what follows the last was cut off.
    if (rest !== "") throw new Error("the answer was cut off");
  } finally {
    await reader.cancel();
  }
}

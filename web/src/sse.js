// SPDX-License-Identifier: Apache-2.0
// Server-sent events, whatever the pieces are that they come in.

/** Takes pieces of a stream and gives the data of each event that has ended. */
export class EventParser {
  #rest = '';
  #data = /** @type {string[]} */ ([]);

  /** @param {string} piece @returns {string[]} */
  push(piece) {
    const lines = (this.#rest + piece).split(/\r\n|\n|\r(?=[^\n])/);
    this.#rest = lines.pop() ?? '';
    const events = [];
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length) events.push(this.#data.join('\n'));
        this.#data = [];
      } else if (line.startsWith('data:')) {
        this.#data.push(line.slice(line[5] === ' ' ? 6 : 5));
      }
    }
    return events;
  }
}

/**
 * The data of all events of a response's body.
 * @param {ReadableStream<Uint8Array>} body
 */
export async function* events(body) {
  const parser = new EventParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

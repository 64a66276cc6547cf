// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventParser, events } from './sse.js';

const STREAM =
  ': ping\n\ndata: {"a":1}\n\ndata:two\r\n\r\nevent: x\ndata: three\ndata: lines\n\ndata: [DONE]\n\n';
const EVENTS = ['{"a":1}', 'two', 'three\nlines', '[DONE]'];

test('a stream cut anywhere gives the same events', () => {
  for (let cut = 0; cut <= STREAM.length; ++cut) {
    const parser = new EventParser();
    assert.deepEqual(
      [...parser.push(STREAM.slice(0, cut)), ...parser.push(STREAM.slice(cut))],
      EVENTS,
      `cut at ${cut}`,
    );
  }
  const parser = new EventParser();
  assert.deepEqual(
    [...STREAM].flatMap((one) => parser.push(one)),
    EVENTS,
  );
});

test('an event that has not ended is not given', () => {
  assert.deepEqual(new EventParser().push('data: half\n'), []);
});

test('characters of several bytes survive any cut', async () => {
  const bytes = new TextEncoder().encode('data: 🐦ä\n\n');
  for (let cut = 0; cut <= bytes.length; ++cut) {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(bytes.slice(0, cut));
        controller.enqueue(bytes.slice(cut));
        controller.close();
      },
    });
    const found = [];
    for await (const event of events(body)) found.push(event);
    assert.deepEqual(found, ['🐦ä']);
  }
});

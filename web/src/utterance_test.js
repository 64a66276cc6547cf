// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UtteranceFinder } from './utterance.js';
import { loudness } from './wav.js';

const RATE = 16000,
  BLOCK = 320;

/** Events at their times, when noise is heard and speech in these spans (seconds). */
function hear(spans, total, { noise = 0.003, most = 30 } = {}) {
  let seed = 1;
  const random = () => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed / 1073741824 - 1;
  };
  const finder = new UtteranceFinder(RATE, most);
  const found = [];
  for (let at = 0; at < total * RATE; at += BLOCK) {
    const speaks = spans.some(([begin, end]) => at >= begin * RATE && at < end * RATE);
    const block = Float32Array.from({ length: BLOCK }, () => random() * (speaks ? 0.2 : noise));
    const event = finder.push(block, loudness(block));
    if (event === 'begin') found.push({ event, at: at / RATE });
    if (event === 'end')
      found.push({ event, at: at / RATE, seconds: finder.samples().length / RATE });
  }
  return found;
}

test('an utterance begins soon, ends after a pause, and has what stood before it', () => {
  const found = hear([[1, 2]], 4);
  assert.deepEqual(
    found.map((one) => one.event),
    ['begin', 'end'],
  );
  assert.ok(found[0].at > 1 && found[0].at < 1.2, JSON.stringify(found));
  assert.ok(found[1].at > 2.6 && found[1].at < 2.8, JSON.stringify(found));
  assert.ok(found[1].seconds > 1.9 && found[1].seconds < 2.15, JSON.stringify(found));
});

test('a short gap does not end it, a long one makes two', () => {
  assert.equal(
    hear(
      [
        [1, 1.5],
        [1.9, 2.4],
      ],
      4,
    ).length,
    2,
  );
  assert.equal(
    hear(
      [
        [1, 1.5],
        [2.6, 3.2],
      ],
      5,
    ).length,
    4,
  );
});

test('noise alone is none, nor a click', () => {
  assert.deepEqual(
    hear([], 5, { noise: 0.02 }).filter((one) => one.at > 0.5),
    [],
  );
  assert.deepEqual(hear([[1, 1.04]], 3), []);
});

test('one that does not end is cut, with the pauses between its words', () => {
  const words = Array.from({ length: 16 }, (_, i) => [1 + i / 2, 1.4 + i / 2]);
  const found = hear(words, 9, { most: 3 });
  assert.ok(found.length >= 4, JSON.stringify(found));
  assert.ok(found.every((one) => !one.seconds || one.seconds <= 3));
  assert.ok(found[1].seconds > 2.9, JSON.stringify(found));
});

test('noise that begins is handed out never, and known from then on', () => {
  const finder = new UtteranceFinder(RATE, 3);
  const events = [];
  for (let i = 0; i < 3000; ++i) {
    const event = finder.push(new Float32Array(BLOCK), (i < 500 ? 0.003 : 0.02) + 0.001 * (i % 3));
    if (event) events.push(event);
  }
  assert.deepEqual(events, ['begin', 'noise']);
});

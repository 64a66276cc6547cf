// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clock, shortClock, toSrt, toText, toVtt } from './subtitles.js';

const LINES = [
  { start: 0, end: 1.5, text: ' Good morning. ' },
  { start: 3661.0421, end: 3662, text: 'a --> b\n\n<i>c & d' },
];

test('times', () => {
  assert.equal(clock(3661.0421), '01:01:01.042');
  assert.equal(clock(59.9996, ','), '00:01:00,000');
  assert.equal(shortClock(7.9), '0:07');
  assert.equal(shortClock(3661), '1:01:01');
});

test('SRT', () => {
  assert.equal(
    toSrt(LINES),
    '1\n00:00:00,000 --> 00:00:01,500\nGood morning.\n\n2\n01:01:01,042 --> 01:01:02,000\na -> b\n<i>c & d\n',
  );
});

test('VTT: nothing in a text is taken for markup or for a cue', () => {
  assert.equal(
    toVtt(LINES),
    'WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nGood morning.\n\n01:01:01.042 --> 01:01:02.000\na -> b\n&lt;i>c &amp; d\n',
  );
});

test('text', () => {
  assert.equal(toText(LINES.slice(0, 1)), 'Good morning.\n');
});

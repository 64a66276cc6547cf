// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { costName, rangeOf, ticks } from './lab_plot.js';
import { perSecond, seconds, shortNumber } from './numbers.js';

test('ticks are round, and within the range', () => {
  assert.deepEqual(ticks(0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(ticks(955000, 2675248), [1000000, 1500000, 2000000, 2500000]);
  assert.equal(ticks(3, 3).length, 1);
  for (const [least, most] of [
    [1e-5, 4e-5],
    [-3, 8],
    [0.0867, 0.1562],
  ]) {
    const found = ticks(least, most);
    assert.ok(found.length >= 2 && found.length <= 7, String(found));
    assert.ok(found.every((one) => one >= least && one <= most));
  }
});

test('a range holds all values, and is one also of a single value', () => {
  assert.deepEqual(rangeOf([0, 10]), [-0.5, 10.5]);
  const [least, most] = rangeOf([4]);
  assert.ok(least < 4 && most > 4);
  assert.ok(rangeOf([0])[0] < rangeOf([0])[1]);
});

test('costs have the name of what they count', () => {
  const row = { effective_parameters: 5, weight_bytes_per_token: 9 };
  assert.equal(costName([{ ...row, cost: 5 }]), 'effective parameters');
  assert.equal(costName([{ ...row, cost: 9 }]), 'bytes that a token reads');
  assert.equal(costName([{ ...row, cost: 0.1 }]), 'cost');
});

test('numbers as they are read', () => {
  assert.deepEqual([2675248, 1.9e9, 955000, 40].map(shortNumber), [
    '2.68 M',
    '1.90 B',
    '955 K',
    '40',
  ]);
  assert.deepEqual([18.64, 402.4].map(perSecond), ['18.6 tok/s', '402 tok/s']);
  assert.deepEqual([33.4, 1040].map(seconds), ['33 ms', '1.0 s']);
});

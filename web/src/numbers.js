// SPDX-License-Identifier: Apache-2.0
// Numbers as they are read.

/** Settings that are numbers, as requests name them. */
export const NUMBERS = [
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'repeat_penalty',
  'max_tokens',
  'seed',
];

/** "2.31 M", "1.90 B". */
export function shortNumber(value) {
  if (value >= 1e9) return `${(value / 1e9).toFixed(2)} B`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  return value >= 1e4 ? `${Math.round(value / 1e3)} K` : String(value);
}

export const seconds = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

export const perSecond = (value) => `${value < 100 ? value.toFixed(1) : Math.round(value)} tok/s`;

export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

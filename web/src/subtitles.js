// SPDX-License-Identifier: Apache-2.0
// Lines of a transcript with their times, in the formats of subtitles.

/** @typedef {{start: number, end: number, text: string}} Segment seconds */

/** @param {number} seconds @param {string} point before the milliseconds */
export function clock(seconds, point = '.') {
  const ms = Math.round(Math.max(0, seconds) * 1000);
  const two = (value) => String(Math.floor(value)).padStart(2, '0');
  return `${two(ms / 3600000)}:${two((ms / 60000) % 60)}:${two((ms / 1000) % 60)}${point}${String(ms % 1000).padStart(3, '0')}`;
}

/** As short as it can be read: "0:07", "1:02:07". */
export function shortClock(seconds) {
  const whole = Math.floor(Math.max(0, seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = String(whole % 60).padStart(2, '0');
  return hours ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
}

// A blank line ends a cue and an arrow makes one, so neither may stand in its text.
const cueText = (text) =>
  text
    .trim()
    .replace(/\s*\n\s*/g, '\n')
    .replace(/-->/g, '->');

/** @param {Segment[]} segments */
export function toSrt(segments) {
  return segments
    .map(
      (one, i) =>
        `${i + 1}\n${clock(one.start, ',')} --> ${clock(one.end, ',')}\n${cueText(one.text)}\n`,
    )
    .join('\n');
}

/** @param {Segment[]} segments */
export function toVtt(segments) {
  const safe = (text) => cueText(text).replace(/&/g, '&amp;').replace(/</g, '&lt;');
  return (
    'WEBVTT\n\n' +
    segments
      .map((one) => `${clock(one.start)} --> ${clock(one.end)}\n${safe(one.text)}\n`)
      .join('\n')
  );
}

/** @param {Segment[]} segments */
export const toText = (segments) => segments.map((one) => one.text.trim() + '\n').join('');

// SPDX-License-Identifier: Apache-2.0
// Answers read aloud by the browser's own voice.

/** Text without the marks of Markdown. */
const spoken = (text) =>
  text
    .replace(/```[^]*?(```|$)/g, ' ')
    .replace(/[*_`#>|]/g, '')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1');

/** Reads a text in place of what is read. @param {string} text */
export function read(text) {
  hush();
  window.speechSynthesis?.speak(new SpeechSynthesisUtterance(spoken(text)));
}

/** Reads a text, or stops what is read. @param {string} text */
export function toggle(text) {
  if (window.speechSynthesis?.speaking) hush();
  else read(text);
}

export function hush() {
  window.speechSynthesis?.cancel();
}

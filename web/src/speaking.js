// SPDX-License-Identifier: Apache-2.0
// Answers read aloud by the browser's own voice.

/** Text without the marks of Markdown. */
const spoken = (text) =>
  text
    .replace(/```[^]*?(```|$)/g, ' ')
    .replace(/[*_`#>|]/g, '')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1');

/** Reads a text, or stops what is read. @param {string} text */
export function speak(text) {
  const voice = window.speechSynthesis;
  if (!voice) return;
  const silent = !voice.speaking;
  voice.cancel();
  if (silent) voice.speak(new SpeechSynthesisUtterance(spoken(text)));
}

export function hush() {
  window.speechSynthesis?.cancel();
}

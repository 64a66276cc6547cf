// SPDX-License-Identifier: Apache-2.0
// Stands for the package `entities`, which markdown-it asks what "&auml;" is: the browser knows, and
// its table would be a tenth of the page.

/** @param {string} text one reference to a character, which is all that markdown-it hands over */
export function decodeHTMLStrict(text) {
  if (!/^&[a-z][a-z0-9]*;$/i.test(text)) return text;
  // A document of this kind loads and runs nothing; white space at its very beginning would be lost.
  const page = new DOMParser().parseFromString(`<body>.${text}`, 'text/html');
  return page.body.textContent.slice(1);
}

// SPDX-License-Identifier: Apache-2.0
// Stands for what markdown-it brings along and the browser has, or the page has no use for: tables
// of characters and their names, a finder of links (markdown.js has its own). They would be a fifth
// of the page.

/** `entities`: what "&auml;" is. @param {string} text one reference to a character */
export function decodeHTMLStrict(text) {
  if (!/^&[a-z][a-z0-9]*;$/i.test(text)) return text;
  // A document of this kind loads and runs nothing; white space at its very beginning would be lost.
  const page = new DOMParser().parseFromString(`<body>.${text}`, 'text/html');
  return page.body.textContent.slice(1);
}

// `uc.micro`: punctuation and symbols.
export const P = /\p{P}/u;
export const S = /\p{S}/u;

/** `linkify-it`, which is off. */
export class LinkifyIt {}

/** `punycode.js`: names of hosts are made ASCII where a link is (safeLink), and shown as they are. */
export default { toASCII: (name) => name, toUnicode: (name) => name };

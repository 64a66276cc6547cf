// SPDX-License-Identifier: Apache-2.0
// Answers as elements. markdown-it reads the text; what it found is built element by element, so
// that no markup of an answer ever becomes markup of the page, nothing is loaded, and what is no
// plain link is text.
import MarkdownIt from 'markdown-it';
import { copyText, el } from './dom.js';

const MOST_CHARACTERS = 200_000; // beyond, an answer is shown as it is
const reader = new MarkdownIt({ html: false, linkify: false, typographer: false, maxNesting: 24 });

const PLAIN = new Set([
  'p',
  'h1',
  'h2',
  'h3',
  'h4',
  'h5',
  'h6',
  'ul',
  'ol',
  'li',
  'blockquote',
  'strong',
  'em',
  's',
  'table',
  'thead',
  'tbody',
  'tr',
  'th',
  'td',
]);
const ADDRESS = /\b(?:https?:\/\/|mailto:)[^\s<>"'`\\^{|}\u3001\u3002\uff01-\uff1f]{1,2000}/gi;
const HEADINGS = { h1: 'h3', h2: 'h4', h3: 'h5', h4: 'h6', h5: 'h6', h6: 'h6' }; // below the page's own

/** Where a link may lead, or null. @param {string} href */
export function safeLink(href) {
  try {
    const url = new URL(href);
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

function link(href, ...children) {
  const safe = safeLink(href);
  if (!safe) return el('span', {}, ...children);
  return el(
    'a',
    { href: safe, target: '_blank', rel: 'noopener noreferrer nofollow' },
    ...children,
  );
}

/** An address without what ends the sentence or the bracket that it stands in. */
function bare(address) {
  let open = address.split('(').length - address.split(')').length;
  let end = address.length;
  for (; /[.,:;!?*_~)\]]/.test(address[end - 1]); --end) {
    if (address[end - 1] !== ')') continue;
    if (open >= 0) break;
    open += 1;
  }
  return address.slice(0, end);
}

/** Text whose addresses are links. */
function linked(text) {
  const parts = [];
  let at = 0;
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = bare(found);
    parts.push(text.slice(at, index), link(address, address));
    at = index + address.length;
  }
  return [...parts, text.slice(at)];
}

function codeBlock(token) {
  const text = token.content;
  const language = token.info.trim().split(/\s+/)[0];
  const button = el(
    'button.copy-code',
    { type: 'button', onclick: () => copyText(text, button) },
    'Copy',
  );
  return el(
    'div.code',
    {},
    el('div.code-head', {}, el('span', {}, language || 'code'), button),
    el('pre', { tabindex: '0' }, el('code', {}, text)),
  );
}

function open(token) {
  if (token.tag === 'a') return link(token.attrGet('href') ?? '');
  if (!PLAIN.has(token.tag)) return el('span');
  const element = el(HEADINGS[token.tag] ?? token.tag);
  if (token.tag === 'ol' && token.attrGet('start'))
    element.setAttribute('start', token.attrGet('start'));
  const align = /text-align:(left|right|center)/.exec(token.attrGet('style') ?? '');
  if (align) element.classList.add(align[1]);
  return element;
}

function build(tokens, root) {
  const stack = [root];
  const top = () => stack[stack.length - 1];
  for (const token of tokens) {
    if (token.type === 'inline') build(token.children, top());
    else if (token.type === 'fence' || token.type === 'code_block') top().append(codeBlock(token));
    else if (token.type === 'code_inline') top().append(el('code', {}, token.content));
    else if (token.type === 'image') {
      const name = token.content || 'picture';
      top().append(link(token.attrGet('src') ?? '', `[picture: ${name}]`));
    } else if (token.type === 'hr') top().append(el('hr'));
    else if (token.type === 'hardbreak') top().append(el('br'));
    else if (token.type === 'softbreak') top().append('\n');
    else if (token.nesting === 1) {
      const element = token.hidden ? null : open(token);
      if (element) top().append(element);
      stack.push(element ?? top());
    } else if (token.nesting === -1) stack.pop();
    else if (token.type === 'text' && !stack.some((one) => one.tagName === 'A'))
      top().append(...linked(token.content));
    else top().append(token.content);
  }
}

/** @param {string} text @returns {DocumentFragment} */
export function render(text) {
  const fragment = document.createDocumentFragment();
  if (text.length > MOST_CHARACTERS) fragment.append(el('pre', { tabindex: '0' }, text));
  else build(reader.parse(text, {}), fragment);
  for (const table of fragment.querySelectorAll('table')) {
    const frame = el('div.table', { tabindex: '0', role: 'region', 'aria-label': 'Table' });
    table.replaceWith(frame);
    frame.append(table);
  }
  return fragment;
}

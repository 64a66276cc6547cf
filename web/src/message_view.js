// SPDX-License-Identifier: Apache-2.0
// One message of the conversation, with what can be done to it.
import { shown } from './attachments.js';
import { timingsText } from './ask.js';
import { edit, retry } from './chat.js';
import { copyText, el, iconButton } from './dom.js';
import { errorBox } from './error_box.js';
import { render } from './markdown.js';
import { toggle } from './speaking.js';
import { keep, state, tell } from './state.js';
import * as tree from './tree.js';

function branches(message) {
  const { index, count } = tree.branch(state.conversation, message);
  if (count < 2) return null;
  const what = message.role === 'user' ? 'question' : 'answer';
  const go = (step) => () => {
    const next = tree.turn(state.conversation, message, step);
    void keep();
    tell('conversation');
    document.querySelector(`[data-id="${next.id}"] .branch button:not([disabled])`)?.focus();
  };
  return el(
    'span.branch',
    { role: 'group', 'aria-label': `${what} ${index + 1} of ${count}` },
    iconButton('previous', `Previous ${what}`, { onclick: go(-1), disabled: index === 0 }),
    el('span', {}, `${index + 1} / ${count}`),
    iconButton('next', `Next ${what}`, { onclick: go(1), disabled: index === count - 1 }),
  );
}

/** A message on the page; `update` is called when it has changed. */
export class MessageView {
  /** @param {any} message */
  constructor(message) {
    this.message = message;
    this.since = performance.now();
    this.editing = false; // what is typed there stays, whatever else changes
    this.body = el('div.body');
    this.foot = el('div.foot');
    const who = message.role === 'user' ? 'You' : 'Answer';
    this.root = el(
      `article.message.${message.role}`,
      { 'aria-label': who, 'data-id': message.id },
      this.body,
      this.foot,
    );
    this.update();
  }

  get underWay() {
    return state.answering?.message === this.message;
  }

  update() {
    const { message } = this;
    if (this.editing) return;
    if (message.role === 'user') this.#question();
    else this.#answer();
    this.root.setAttribute('aria-busy', String(this.underWay));
  }

  #question() {
    const { message } = this;
    const media = (message.attachments ?? []).map(shown);
    this.body.replaceChildren(
      ...(media.length ? [el('div.media-row', {}, ...media)] : []),
      ...(message.text ? [el('p.said', {}, message.text)] : []),
      ...(message.transcript ? [el('p.transcript', {}, `“${message.transcript}”`)] : []),
    );
    this.foot.replaceChildren(
      el(
        'span.actions',
        {},
        iconButton('copy', 'Copy question', {
          onclick: (event) => copyText(message.text, event.currentTarget),
        }),
        iconButton('edit', 'Edit question', { onclick: () => this.#edit() }),
      ),
      branches(message) ?? '',
    );
  }

  #answer() {
    const { message } = this;
    if (message.text) this.body.replaceChildren(render(message.text));
    else
      this.body.replaceChildren(
        ...(this.underWay
          ? [this.#waiting()]
          : message.error
            ? []
            : [el('p.quiet', {}, 'No answer.')]),
      );
    if (message.error)
      this.body.append(errorBox(message.error, { Retry: () => retry(message) }));
    if (this.underWay) return this.foot.replaceChildren();
    this.foot.replaceChildren(
      el(
        'span.actions',
        {},
        iconButton('copy', 'Copy answer', {
          onclick: (event) => copyText(message.text, event.currentTarget),
        }),
        iconButton('retry', 'Another answer', { onclick: () => retry(message) }),
        'speechSynthesis' in window
          ? iconButton('speak', 'Read aloud', { onclick: () => toggle(message.text) })
          : '',
      ),
      branches(message) ?? '',
      el('span.timings', {}, timingsText(message)),
    );
  }

  #waiting() {
    const waited = (performance.now() - this.since) / 1000;
    const text =
      this.message.waiting ?? (waited < 3 ? '' : `Reading the question … ${Math.floor(waited)} s`);
    return el(
      'p.waiting',
      {},
      el('span.dots', { 'aria-hidden': 'true' }, el('i'), el('i'), el('i')),
      el('span', {}, text),
    );
  }

  #edit() {
    const { message } = this;
    const area = /** @type {HTMLTextAreaElement} */ (
      el('textarea', { 'aria-label': 'Question', rows: 3, value: message.text })
    );
    this.editing = true;
    const done = () => {
      this.editing = false;
      this.update();
      this.root.querySelector('[aria-label="Edit question"]')?.focus();
    };
    const form = el(
      'form.edit',
      {
        onsubmit: (event) => {
          event.preventDefault();
          this.editing = false;
          edit(message, area.value, message.attachments);
        },
        onkeydown: (event) => {
          if (event.key === 'Escape') {
            event.stopPropagation(); // an answer under way goes on
            done();
          }
          if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
            event.preventDefault();
            form.requestSubmit();
          }
        },
      },
      area,
      el(
        'div.row.end',
        {},
        el('button.plain', { type: 'button', onclick: done }, 'Cancel'),
        el('button.primary', { type: 'submit' }, 'Ask again'),
      ),
    );
    this.body.replaceChildren(form);
    this.foot.replaceChildren();
    area.focus();
  }
}

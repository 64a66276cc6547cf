// SPDX-License-Identifier: Apache-2.0
// The conversations that this browser keeps: list, search, rename, delete, export, import.
import { ask, askText } from './dialog.js';
import { announce, byId, download, el, iconButton } from './dom.js';
import { errorBox, notice } from './error_box.js';
import { fileName, fromJson, toJson, toMarkdown } from './export.js';
import { stop } from './chat.js';
import { begunId, forget, keep, on, show, state } from './state.js';
import * as store from './store.js';
import { merge, newConversation } from './tree.js';

let kept = /** @type {import('./tree.js').Conversation[]} */ ([]);

const holds = (conversation, words) => {
  const text = [conversation.title, ...conversation.messages.map((message) => message.text)]
    .join('\n')
    .toLowerCase();
  return words.every((word) => text.includes(word));
};

function close() {
  document.body.classList.remove('sidebar-open');
  byId('menu').setAttribute('aria-expanded', 'false');
}

function open(conversation) {
  stop();
  show(conversation);
  location.hash = '#chat';
  close();
}

async function rename(conversation) {
  const title = await askText('Rename the conversation', 'Title', conversation.title);
  if (!title) return;
  Object.assign(conversation, { title, titled: true });
  await keep(conversation);
}

async function remove(conversation) {
  if (
    !(await ask(
      'Delete the conversation?',
      [el('p', {}, `“${conversation.title}” is kept in this browser alone; there is no way back.`)],
      { yes: 'Delete', danger: true },
    ))
  )
    return;
  if (state.conversation.id === conversation.id) begin();
  await forget(conversation.id);
  await refresh();
  announce('Deleted');
}

function row(conversation) {
  const current = conversation.id === state.conversation.id;
  return el(
    'li',
    {},
    el(
      'button.conversation',
      {
        type: 'button',
        'aria-current': current ? 'true' : null,
        onclick: () => open(conversation),
      },
      conversation.title,
    ),
    el(
      'span.actions',
      {},
      iconButton('edit', `Rename ${conversation.title}`, { onclick: () => rename(conversation) }),
      iconButton('trash', `Delete ${conversation.title}`, { onclick: () => remove(conversation) }),
    ),
  );
}

function draw() {
  const words = byId('search').value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = kept
    .filter((conversation) => holds(conversation, words))
    .sort((a, b) => b.updated - a.updated);
  const list = byId('conversations');
  list.replaceChildren(...found.map(row));
  byId('no-conversations').textContent = found.length
    ? ''
    : words.length
      ? 'Nothing found.'
      : 'Conversations are kept in this browser.';
}

async function refresh() {
  const found = await store.all('conversations');
  // The one that is shown stays the object that others hold.
  const { conversation } = state;
  kept = found.map((one) =>
    one.id === conversation.id && conversation.messages.length > 0 ? conversation : one,
  );
  draw();
}

const isKept = (id) =>
  kept.some((one) => one.id === id) ||
  (state.conversation.id === id && state.conversation.messages.length > 0);

/** A new conversation, with the settings of the last one. */
export function begin() {
  stop();
  const { system, ...settings } = state.conversation.settings;
  open({ ...newConversation({ ...settings }), id: begunId(isKept) });
  byId('prompt').focus();
}

async function importFile(file) {
  try {
    const found = fromJson(await file.text());
    for (const conversation of found) await store.put('conversations', conversation);
    await refresh();
    if (found.length) open(kept.find((one) => one.id === found[0].id));
    announce(`${found.length} conversations imported`);
  } catch (error) {
    const told = { code: 'not_imported', message: `${file.name}: ${error.message}` };
    await ask('It cannot be imported', [errorBox(told)]);
  }
}

export async function startSidebar() {
  byId('new').addEventListener('click', begin);
  byId('search').addEventListener('input', draw);
  byId('menu').addEventListener('click', () => {
    const now = document.body.classList.toggle('sidebar-open');
    byId('menu').setAttribute('aria-expanded', String(now));
    if (now) byId('search').focus();
  });
  byId('close-menu').addEventListener('click', () => {
    close();
    byId('menu').focus();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && document.body.classList.contains('sidebar-open')) close();
  });
  byId('export-json').addEventListener('click', async () => {
    download(
      fileName(state.conversation.title, 'json'),
      await toJson([state.conversation]),
      'application/json',
    );
  });
  byId('export-all').addEventListener('click', async () => {
    download('gemma3n-conversations.json', await toJson(kept), 'application/json');
  });
  byId('export-markdown').addEventListener('click', () => {
    download(
      fileName(state.conversation.title, 'md'),
      toMarkdown(state.conversation),
      'text/markdown',
    );
  });
  byId('import').addEventListener('click', () => byId('import-file').click());
  byId('import-file').addEventListener('change', async (event) => {
    const [file] = event.target.files;
    event.target.value = '';
    if (file) await importFile(file);
  });
  on('conversations', refresh);
  on('conversation', draw);
  await adoptAnswers().catch(() => {});
  await refresh();
  await showLast();
}

// Answers that a page did not live to see the end of.
async function adoptAnswers() {
  for (const { id, conversation, message } of await store.all('drafts')) {
    if (!message) continue;
    await store.update('conversations', conversation, (found) => {
      const messages = found?.messages.map((one) => (one.id === message.id ? message : one));
      if (found) merge(found, { ...found, messages });
      return found;
    });
    await store.drop('drafts', id);
  }
}

// What was shown last, or what was typed in a new conversation.
async function showLast() {
  if (state.conversation.messages.length > 0) return;
  const last = kept.find((one) => one.id === store.setting('shown', ''));
  try {
    if (last) show(last);
  } catch (error) {
    notice({
      code: 'not_shown',
      message: `“${last.title}” cannot be shown: ${error.message}`,
      details: error.stack,
    });
    state.conversation = newConversation(store.setting('settings', {}));
  }
  if (state.conversation !== last) state.conversation.id = begunId(isKept);
  const begun = begunId(isKept);
  for (const { id } of await store.all('drafts'))
    if (id !== begun && !isKept(id)) await store.drop('drafts', id);
}

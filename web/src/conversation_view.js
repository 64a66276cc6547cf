// SPDX-License-Identifier: Apache-2.0
// The messages that are shown, and the place where one reads.
import { byId, el } from './dom.js';
import { MessageView } from './message_view.js';
import { on, state } from './state.js';
import { path } from './tree.js';

const FRAME_MS = 60; // between two drawings of an answer that grows
const views = /** @type {Map<string, MessageView>} */ (new Map());
let drawn = 0;
let timer = 0;

const scroller = () => byId('scroll');
let stays = true; // at the end, where what is new is seen
const atEnd = () => scroller().scrollHeight - scroller().scrollTop - scroller().clientHeight < 80;
const toEnd = () => {
  scroller().scrollTop = scroller().scrollHeight;
};

function welcome() {
  const { info } = state;
  const reads = [
    'text',
    ...(info?.sees ? ['pictures', 'film'] : []),
    ...(info?.hears ? ['sound'] : []),
  ];
  return el(
    'div.welcome',
    {},
    el('h2', {}, info ? `Ask ${info.model}` : 'Ask'),
    el(
      'p',
      {},
      `It reads ${reads.slice(0, -1).join(', ')}${reads.length > 1 ? ' and ' : ''}${reads[reads.length - 1]}. ` +
        'Drop or paste a file anywhere. All of it stays on this machine and the server.',
    ),
  );
}

function draw() {
  const shown = path(state.conversation);
  const kept = new Map();
  for (const message of shown)
    kept.set(
      message.id,
      views.get(message.id)?.message === message ? views.get(message.id) : new MessageView(message),
    );
  views.clear();
  for (const [id, view] of kept) {
    view.update();
    views.set(id, view);
  }
  const roots = shown.length ? [...kept.values()].map((view) => view.root) : [welcome()];
  // What is put in its own place again loses the focus.
  const { children } = byId('messages');
  if (roots.length !== children.length || roots.some((root, i) => root !== children[i]))
    byId('messages').replaceChildren(...roots);
  if (stays || state.answering) toEnd();
}

function redraw(message) {
  const view = views.get(message.id);
  if (!view) return;
  view.update();
  drawn = performance.now();
}

export function startConversationView() {
  on('conversation', draw);
  on('info', draw);
  on('message', (message) => {
    clearTimeout(timer);
    const wait = FRAME_MS - (performance.now() - drawn);
    if (wait <= 0 || state.answering?.message !== message) redraw(message);
    else timer = window.setTimeout(() => redraw(message), wait);
  });
  // How long it takes is told while it takes.
  setInterval(() => {
    const message = state.answering?.message;
    if (message && !message.text) redraw(message);
  }, 1000);
  scroller().addEventListener(
    'scroll',
    () => {
      stays = atEnd();
    },
    { passive: true },
  );
  // An answer grows, a picture is loaded, the line below takes more room.
  const observer = new ResizeObserver(() => {
    if (stays) toEnd();
  });
  observer.observe(byId('messages'));
  observer.observe(scroller());
  on('answering', () => {
    if (state.answering) stays = true;
  });
  draw();
}

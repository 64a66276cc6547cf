// SPDX-License-Identifier: Apache-2.0
// One prompt over up to four columns of settings and sizes.
import { answerInto, bodyOf, timingsText } from './ask.js';
import { AttachmentList } from './attachments.js';
import { byId, el, iconButton } from './dom.js';
import { errorBox } from './error_box.js';
import { untilAnswered } from './insist.js';
import { render } from './markdown.js';
import { numberField, sizeOptions } from './settings.js';
import { on, sizeLabel, sizeOf, state } from './state.js';
import { keepSetting, setting } from './store.js';

const MOST_COLUMNS = 4;
const NUMBERS = [
  { name: 'temperature', label: 'Temperature', min: 0, max: 2, step: 0.05, hint: '' },
  { name: 'top_p', label: 'Top p', min: 0, max: 1, step: 0.01, hint: '' },
  { name: 'seed', label: 'Seed', min: 0, max: 2 ** 53, step: 1, hint: '' },
];

/** @type {{settings: any, root: HTMLElement, output: HTMLElement, foot: HTMLElement}[]} */
let columns = [];
let abort = /** @type {AbortController|null} */ (null);
/** @type {AttachmentList} */
export let compareAttachments;

const keepColumns = () =>
  keepSetting(
    'compare',
    columns.map((column) => column.settings),
  );

function draw() {
  byId('columns').replaceChildren(
    ...columns.map((column, i) => {
      column.root.setAttribute('aria-label', `Column ${i + 1}`);
      column.root.querySelector('h3').textContent = `Column ${i + 1}`;
      column.root.querySelector('.icon-button').hidden = columns.length === 1;
      return column.root;
    }),
  );
  byId('add-column').disabled = columns.length >= MOST_COLUMNS;
}

let made = 0;
function addColumn(settings) {
  const prefix = `compare-${made++}`;
  const change = (name, value) => {
    settings[name] = value;
    if (name === 'size') settings.model = state.info?.model;
    keepColumns();
  };
  const size = el(
    'select',
    { id: `${prefix}-size`, onchange: () => change('size', size.value) },
    ...sizeOptions(settings),
  );
  const output = el('div.output', { 'aria-live': 'polite' });
  const foot = el('p.timings');
  const column = {
    settings,
    output,
    foot,
    size,
    root: el(
      'section.column',
      {},
      el(
        'div.column-head',
        {},
        el('h3'),
        iconButton('close', 'Remove column', {
          onclick: () => {
            columns = columns.filter((one) => one !== column);
            keepColumns();
            draw();
          },
        }),
      ),
      el('div.field', {}, el('label', { for: size.id }, 'Size'), size),
      ...NUMBERS.map((field) => numberField(field, settings[field.name], change, prefix)),
      output,
      foot,
    ),
  };
  columns.push(column);
}

async function runColumn(column, prompt, attachments, signal) {
  const size = sizeOf(column.settings);
  const offered = state.info?.sizes.find((one) => one.name === size);
  const answer = { role: 'assistant', text: '', size, sizeLabel: offered && sizeLabel(offered) };
  const changed = () => {
    column.output.replaceChildren(render(answer.text));
    column.foot.textContent = timingsText(answer);
  };
  const waits = (text = '…') => column.output.replaceChildren(el('p.quiet', {}, text));
  waits();
  column.foot.textContent = '';
  column.root.setAttribute('aria-busy', 'true');
  try {
    const body = await bodyOf([{ role: 'user', text: prompt, attachments }], column.settings);
    await untilAnswered(() => answerInto(body, answer, changed, signal), {
      began: () => answer.text !== '',
      waits,
      signal,
    });
  } catch (error) {
    if (signal.aborted) answer.finish = 'stopped';
    changed();
    if (!signal.aborted)
      column.output.append(
        errorBox(error, { Retry: () => runColumn(column, prompt, attachments, signal) }),
      );
  }
  column.root.setAttribute('aria-busy', 'false');
}

async function run(event) {
  event.preventDefault();
  const prompt = byId('compare-prompt').value.trim();
  const attachments = compareAttachments.good();
  if (!prompt && attachments.length === 0) return;
  abort?.abort();
  abort = new AbortController();
  const { signal } = abort;
  byId('compare-stop').hidden = false;
  await Promise.all(columns.map((column) => runColumn(column, prompt, attachments, signal)));
  if (abort.signal === signal) byId('compare-stop').hidden = true;
}

export function startCompare() {
  compareAttachments = new AttachmentList(byId('compare-attachments'), () => {});
  const kept = setting('compare', [{ temperature: 0 }, { temperature: 1 }]);
  for (const settings of kept.slice(0, MOST_COLUMNS)) addColumn(settings);
  draw();
  byId('compare-form').addEventListener('submit', run);
  byId('compare-prompt').addEventListener('keydown', (pressed) => {
    if (pressed.key !== 'Enter' || pressed.shiftKey || pressed.isComposing) return;
    pressed.preventDefault();
    byId('compare-form').requestSubmit();
  });
  byId('compare-stop').addEventListener('click', () => abort?.abort());
  byId('compare-attach').addEventListener('click', () => byId('compare-files').click());
  byId('compare-files').addEventListener('change', (picked) => {
    void compareAttachments.addFiles(picked.target.files);
    picked.target.value = '';
  });
  byId('add-column').addEventListener('click', () => {
    addColumn({ ...columns[columns.length - 1].settings });
    keepColumns();
    draw();
  });
  on('info', () => {
    for (const column of columns) column.size.replaceChildren(...sizeOptions(column.settings));
  });
}

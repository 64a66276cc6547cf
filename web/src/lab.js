// SPDX-License-Identifier: Apache-2.0
// What `gemma3n lab` found: each size's loss against what it costs, the current one marked.
import { get } from './api.js';
import { byId, el } from './dom.js';
import { errorBox } from './error_box.js';
import { lossOf, plot } from './lab_plot.js';
import { shortNumber } from './numbers.js';
import { changeSettings, on, sizeOf, state } from './state.js';

let lab = null;

const kindNames = {
  full: 'full',
  uniform: 'uniform width',
  published: 'published',
  chosen: 'found',
};

function table(current) {
  const rows = lab.sizes.map((row) => {
    const now = row.size === current;
    const use = el(
      'button.plain',
      {
        type: 'button',
        disabled: now,
        'aria-label': `${now ? 'in use' : 'Use'} ${row.name}`,
        onclick: () => changeSettings({ size: row.size }),
      },
      now ? 'in use' : 'Use',
    );
    return el(
      'tr',
      now ? { 'aria-current': 'true' } : {},
      el('td', {}, row.name),
      el('td', {}, kindNames[row.kind] ?? row.kind),
      el('td.number', {}, shortNumber(row.effective_parameters)),
      el('td.number', {}, lossOf(row, lab.metric)?.toPrecision(3) ?? ''),
      el('td.number', {}, row.answers ? `${row.answers.right} / ${row.answers.items}` : ''),
      el('td.number', {}, row.decode_tokens_per_second?.toFixed(1) ?? ''),
      el('td', {}, use),
    );
  });
  const heads = [
    'Size',
    'Kind',
    'Parameters',
    lab.metric === 'kl' ? 'Divergence' : 'Loss',
    'Right',
    'tok/s',
    '',
  ];
  return el(
    'div.table',
    { tabindex: '0', role: 'region', 'aria-label': 'Sizes' },
    el(
      'table',
      {},
      el(
        'thead',
        {},
        el(
          'tr',
          {},
          ...heads.map((head, i) =>
            head ? el(i > 1 ? 'th.right' : 'th', { scope: 'col' }, head) : el('td'),
          ),
        ),
      ),
      el('tbody', {}, ...rows),
    ),
  );
}

/** The current size as the result writes it, if it has it. */
function currentSize() {
  const own = sizeOf(state.conversation.settings) ?? state.info?.size;
  return lab.sizes.find(
    (row) => row.name === own || row.size === own || (own === 'full' && row.kind === 'full'),
  )?.size;
}

function draw() {
  if (!lab) return;
  const current = currentSize();
  byId('lab-result').replaceChildren(plot(lab, current), table(current));
}

export async function showLab() {
  if (!state.info) return on('info', showLab);
  const place = byId('lab-result');
  if (!state.info.lab) {
    return place.replaceChildren(
      el('p', {}, 'There is no result yet. This makes one and shows it here:'),
      el(
        'pre',
        { tabindex: '0' },
        el(
          'code',
          {},
          'gemma3n lab -m MODEL data.jsonl --json lab.json\ngemma3n serve -m MODEL --lab lab.json',
        ),
      ),
    );
  }
  try {
    lab = await get('/page/lab');
  } catch (error) {
    return place.replaceChildren(errorBox(error, { Retry: showLab }));
  }
  on('settings', draw);
  on('conversation', draw);
  draw();
}

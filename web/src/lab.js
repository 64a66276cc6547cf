// SPDX-License-Identifier: Apache-2.0
// What `gemma3n lab` found: each size's loss against what it costs, the current one marked.
import { get } from './api.js';
import { byId, el } from './dom.js';
import { changeSettings, on, shortNumber, state } from './state.js';

const WIDTH = 640, HEIGHT = 360, LEFT = 64, RIGHT = 16, TOP = 16, BOTTOM = 44;
let lab = null;

const svg = (name, attributes, ...children) => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
};

/** What the sizes were searched by, of a row or of the front. */
export const lossOf = (row, metric) => row.loss ?? (metric === 'kl' ? row.kl : row.nll);

/** Round numbers from `least` to `most`. */
export function ticks(least, most, count = 5) {
  const rough = (most - least || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough) ?? power;
  const found = [];
  for (let at = Math.ceil(least / step) * step; at <= most + step * 1e-9; at += step) found.push(Number(at.toPrecision(12)));
  return found;
}

/** From the least to the greatest, and a little more on both sides. */
function rangeOf(values) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const margin = (most - least || most || 1) * 0.05;
  return [least - margin, most + margin];
}

/** What a cost of the result counts. */
export function costName(sizes) {
  const [first] = sizes;
  if (first && first.cost === first.effective_parameters) return 'effective parameters';
  if (first && first.cost === first.weight_bytes_per_token) return 'bytes that a token reads';
  return 'cost';
}

function plot(current) {
  const { metric } = lab;
  const sizes = lab.sizes.filter((row) => Number.isFinite(lossOf(row, metric)));
  const all = [...sizes, ...lab.front];
  const costs = all.map((row) => row.cost);
  const losses = all.map((row) => lossOf(row, metric));
  const [[x0, x1], [y0, y1]] = [rangeOf(costs), rangeOf(losses)];
  const x = (cost) => LEFT + ((cost - x0) / (x1 - x0 || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (loss) => HEIGHT - BOTTOM - ((loss - y0) / (y1 - y0 || 1)) * (HEIGHT - TOP - BOTTOM);
  const root = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'plot', role: 'img', 'aria-label': `Loss of ${sizes.length} sizes against ${costName(lab.sizes)}; the table below has the numbers` });
  for (const at of ticks(x0, x1)) {
    root.append(svg('line', { x1: x(at), x2: x(at), y1: TOP, y2: HEIGHT - BOTTOM, class: 'grid' }), svg('text', { x: x(at), y: HEIGHT - BOTTOM + 18, 'text-anchor': 'middle' }, shortNumber(at)));
  }
  for (const at of ticks(y0, y1)) {
    root.append(svg('line', { x1: LEFT, x2: WIDTH - RIGHT, y1: y(at), y2: y(at), class: 'grid' }), svg('text', { x: LEFT - 8, y: y(at) + 4, 'text-anchor': 'end' }, String(Number(at.toPrecision(3)))));
  }
  root.append(svg('text', { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 6, 'text-anchor': 'middle', class: 'axis' }, costName(lab.sizes)),
    svg('text', { x: 14, y: (TOP + HEIGHT - BOTTOM) / 2, 'text-anchor': 'middle', class: 'axis', transform: `rotate(-90 14 ${(TOP + HEIGHT - BOTTOM) / 2})` }, metric === 'kl' ? 'divergence' : 'nats a token'));
  const front = [...lab.front].sort((a, b) => a.cost - b.cost);
  if (front.length > 1) root.append(svg('polyline', { points: front.map((row) => `${x(row.cost)},${y(row.loss)}`).join(' '), class: 'front' }));
  for (const row of sizes) root.append(svg('circle', { cx: x(row.cost), cy: y(lossOf(row, metric)), r: row.kind === 'chosen' ? 5 : 4, class: `point ${row.kind}` }, svg('title', {}, row.name)));
  const here = sizes.find((row) => row.size === current);
  if (here) root.append(svg('circle', { cx: x(here.cost), cy: y(lossOf(here, metric)), r: 10, class: 'current' }, svg('title', {}, 'current size')));
  return root;
}

const kindNames = { full: 'full', uniform: 'uniform width', published: 'published', chosen: 'found' };

function table(current) {
  const rows = lab.sizes.map((row) => {
    const now = row.size === current;
    const use = el('button.plain', { type: 'button', disabled: now, 'aria-label': `Use ${row.name}`, onclick: () => changeSettings({ size: row.size }) }, now ? 'in use' : 'Use');
    return el('tr', now ? { 'aria-current': 'true' } : {}, el('td', {}, row.name), el('td', {}, kindNames[row.kind] ?? row.kind), el('td.number', {}, shortNumber(row.effective_parameters)),
      el('td.number', {}, lossOf(row, lab.metric)?.toPrecision(3) ?? ''), el('td.number', {}, row.answers ? `${row.answers.right} / ${row.answers.items}` : ''),
      el('td.number', {}, row.decode_tokens_per_second?.toFixed(1) ?? ''), el('td', {}, use));
  });
  const heads = ['Size', 'Kind', 'Parameters', lab.metric === 'kl' ? 'Divergence' : 'Loss', 'Right', 'tok/s', ''];
  return el('div.table', { tabindex: '0', role: 'region', 'aria-label': 'Sizes' }, el('table', {}, el('thead', {}, el('tr', {}, ...heads.map((head, i) => (head ? el(i > 1 ? 'th.right' : 'th', { scope: 'col' }, head) : el('td'))))), el('tbody', {}, ...rows)));
}

/** The current size as the result writes it, if it has it. */
function currentSize() {
  const own = state.conversation.settings.size ?? state.info?.size;
  return lab.sizes.find((row) => row.name === own || row.size === own || (own === 'full' && row.kind === 'full'))?.size;
}

function draw() {
  if (!lab) return;
  const current = currentSize();
  byId('lab-result').replaceChildren(plot(current), table(current));
}

export async function showLab() {
  if (!state.info) return on('info', showLab);
  const place = byId('lab-result');
  if (!state.info.lab) {
    return place.replaceChildren(el('p', {}, 'There is no result yet. This makes one and shows it here:'),
      el('pre', { tabindex: '0' }, el('code', {}, 'gemma3n lab -m MODEL data.jsonl --json lab.json\ngemma3n serve -m MODEL --lab lab.json')));
  }
  try {
    lab = await get('/page/lab');
  } catch (error) {
    return place.replaceChildren(el('p', {}, error.message));
  }
  on('settings', draw);
  on('conversation', draw);
  draw();
}

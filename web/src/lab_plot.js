// SPDX-License-Identifier: Apache-2.0
// Losses of sizes against their costs, as a picture.
import { shortNumber } from './numbers.js';

const WIDTH = 640,
  HEIGHT = 360,
  LEFT = 64,
  RIGHT = 16,
  TOP = 16,
  BOTTOM = 44;

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
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough) ?? 10 * power;
  const found = [];
  for (let at = Math.ceil(least / step) * step; at <= most + step * 1e-9; at += step) {
    found.push(Number(at.toPrecision(12)));
  }
  return found;
}

/** From the least to the greatest, and a little more on both sides. */
export function rangeOf(values) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const margin = (most - least || most || 1) * 0.05;
  return [least - margin, most + margin];
}

/** What a cost of the result counts. */
export function costName(sizes) {
  const [first] = sizes;
  if (first?.cost === first?.effective_parameters) return 'effective parameters';
  if (first.cost === first.weight_bytes_per_token) return 'bytes that a token reads';
  return 'cost';
}

/** Lines and numbers of both axes. */
function axes(x, y, names) {
  const parts = [];
  for (const at of ticks(x.least, x.most)) {
    const place = { x1: x.at(at), x2: x.at(at), y1: TOP, y2: HEIGHT - BOTTOM, class: 'grid' };
    const label = { x: x.at(at), y: HEIGHT - BOTTOM + 18, 'text-anchor': 'middle' };
    parts.push(svg('line', place), svg('text', label, shortNumber(at)));
  }
  for (const at of ticks(y.least, y.most)) {
    const place = { x1: LEFT, x2: WIDTH - RIGHT, y1: y.at(at), y2: y.at(at), class: 'grid' };
    const label = { x: LEFT - 8, y: y.at(at) + 4, 'text-anchor': 'end' };
    parts.push(svg('line', place), svg('text', label, String(Number(at.toPrecision(3)))));
  }
  const middle = { x: (LEFT + WIDTH - RIGHT) / 2, y: (TOP + HEIGHT - BOTTOM) / 2 };
  const name = { 'text-anchor': 'middle', class: 'axis' };
  parts.push(svg('text', { ...name, x: middle.x, y: HEIGHT - 6 }, names.x));
  const turned = { ...name, x: 14, y: middle.y, transform: `rotate(-90 14 ${middle.y})` };
  parts.push(svg('text', turned, names.y));
  return parts;
}

/**
 * @param {any} lab what GET /page/lab gives
 * @param {string|undefined} current the size in use, as the result writes it
 */
export function plot(lab, current) {
  const { metric } = lab;
  const sizes = lab.sizes.filter((row) => Number.isFinite(lossOf(row, metric)));
  const front = [...lab.front].sort((a, b) => a.cost - b.cost);
  const scale = (values, from, to) => {
    const [least, most] = rangeOf(values);
    return { least, most, at: (value) => from + ((value - least) / (most - least)) * (to - from) };
  };
  const all = [...sizes, ...front];
  const costs = all.map((row) => row.cost);
  const losses = all.map((row) => lossOf(row, metric));
  const x = scale(costs, LEFT, WIDTH - RIGHT);
  const y = scale(losses, HEIGHT - BOTTOM, TOP);
  const place = (row) => ({ cx: x.at(row.cost), cy: y.at(lossOf(row, metric)) });
  const cost = costName(lab.sizes);
  const about = `Loss of ${sizes.length} sizes against ${cost}; the table below has the numbers`;
  const frame = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'plot', role: 'img' };
  const names = { x: cost, y: metric === 'kl' ? 'divergence' : 'nats a token' };
  const root = svg('svg', { ...frame, 'aria-label': about }, ...axes(x, y, names));
  const way = front.map((row) => `${x.at(row.cost)},${y.at(row.loss)}`).join(' ');
  root.append(svg('polyline', { points: way, class: 'front' }));
  for (const row of sizes) {
    const look = { r: row.kind === 'chosen' ? 5 : 4, class: `point ${row.kind}` };
    root.append(svg('circle', { ...place(row), ...look }, svg('title', {}, row.name)));
  }
  const here = sizes.find((row) => row.size === current);
  if (here) root.append(svg('circle', { ...place(here), r: 10, class: 'current' }));
  return root;
}

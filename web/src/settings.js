// SPDX-License-Identifier: Apache-2.0
// How answers are made: the system prompt, the size of the model, how tokens are chosen.
import { byId, el } from './dom.js';
import { changeSettings, on, sizeLabel, sizeOf, state } from './state.js';

/** @type {{name: string, label: string, min: number, max: number, step: number, hint: string}[]} */
const NUMBERS = [
  {
    name: 'temperature',
    label: 'Temperature',
    min: 0,
    max: 2,
    step: 0.05,
    hint: '0 takes the likeliest word each time',
  },
  {
    name: 'top_p',
    label: 'Top p',
    min: 0,
    max: 1,
    step: 0.01,
    hint: 'only the likeliest words with this share',
  },
  {
    name: 'top_k',
    label: 'Top k',
    min: 0,
    max: 100000,
    step: 1,
    hint: 'only so many of the likeliest; 0: all',
  },
  {
    name: 'min_p',
    label: 'Min p',
    min: 0,
    max: 1,
    step: 0.01,
    hint: 'least share of the likeliest word’s',
  },
  {
    name: 'repeat_penalty',
    label: 'Repeat penalty',
    min: 0.1,
    max: 10,
    step: 0.05,
    hint: '1: none',
  },
  { name: 'max_tokens', label: 'Most tokens', min: 1, max: 1000000, step: 1, hint: 'of an answer' },
  {
    name: 'seed',
    label: 'Seed',
    min: 0,
    max: 2 ** 53,
    step: 1,
    hint: 'the same seed, the same answer',
  },
];

/** A field for a number that may be left to the model. */
export function numberField(field, value, change, prefix) {
  const id = `${prefix}-${field.name}`;
  const input = /** @type {HTMLInputElement} */ (
    el('input', {
      id,
      type: 'number',
      min: field.min,
      max: field.max,
      step: field.step,
      placeholder: 'default',
      'aria-describedby': `${id}-hint`,
      onchange: () => {
        const text = input.value.trim();
        const given = Number(text);
        const good =
          text === '' || (Number.isFinite(given) && given >= field.min && given <= field.max);
        input.setAttribute('aria-invalid', String(!good));
        if (good) change(field.name, text === '' ? undefined : given);
      },
    })
  );
  input.value = value ?? '';
  return el(
    'div.field',
    {},
    el('label', { for: id }, field.label),
    input,
    el('small', { id: `${id}-hint` }, field.hint),
  );
}

/** Options of all sizes, and of the one that settings have, which may be none of them. */
export function sizeOptions(settings) {
  const { info } = state;
  const sizes = info?.sizes ?? [];
  const chosen = sizeOf(settings) ?? info?.size;
  const options = sizes.map((size) =>
    el('option', { value: size.name, selected: size.name === chosen }, sizeLabel(size)),
  );
  if (chosen && !sizes.some((size) => size.name === chosen))
    options.push(el('option', { value: chosen, selected: true }, chosen));
  return options;
}

export function startSizePicker() {
  const picker = byId('size');
  const draw = () => {
    picker.replaceChildren(...sizeOptions(state.conversation.settings));
    picker.disabled = !state.info;
    byId('model').textContent = state.info?.model ?? '';
  };
  picker.addEventListener('change', () => changeSettings({ size: picker.value }));
  on('info', draw);
  on('conversation', draw);
  on('settings', draw);
}

function fields() {
  const { settings } = state.conversation;
  const change = (name, value) => changeSettings({ [name]: value });
  const system = el('textarea', {
    id: 'system',
    rows: 4,
    placeholder: 'How to answer, whatever is asked',
    oninput: () => change('system', system.value),
    value: settings.system ?? '',
  });
  const stop = el('input', {
    id: 'stop-texts',
    placeholder: 'texts, with | between',
    onchange: () => change('stop', stop.value.split('|').filter(Boolean)),
    value: (settings.stop ?? []).join('|'),
  });
  const detail = el(
    'select',
    { id: 'detail', onchange: () => change('detail', detail.value) },
    ...[
      ['auto', 'the model’s own'],
      ['low', '256 pixels'],
      ['high', '768 pixels'],
    ].map(([value, text]) =>
      el('option', { value, selected: (settings.detail ?? 'auto') === value }, text),
    ),
  );
  const size = el('input', {
    id: 'own-size',
    placeholder: 'such as ffn=8192 skip=20-24',
    onchange: () => change('size', size.value.trim() || undefined),
    value: sizeOf(settings) ?? '',
  });
  const aloud = el('input', {
    id: 'aloud',
    type: 'checkbox',
    onchange: () => change('aloud', aloud.checked),
    checked: settings.aloud ?? false,
  });
  const field = (label, input, hint) =>
    el(
      'div.field',
      {},
      el('label', { for: input.id }, label),
      input,
      hint && el('small', {}, hint),
    );
  return [
    el('div.field.wide', {}, el('label', { for: 'system' }, 'System prompt'), system),
    ...NUMBERS.map((one) => numberField(one, settings[one.name], change, 'set')),
    field('Stop at', stop, 'the answer ends before any of these'),
    field('Detail of pictures', detail),
    field('Size by hand', size, 'as gemma3n --size takes it'),
    el('div.field.check', {}, aloud, el('label', { for: 'aloud' }, 'Read answers aloud')),
  ];
}

export function startSettings() {
  const dialog = /** @type {HTMLDialogElement} */ (byId('settings'));
  byId('open-settings').addEventListener('click', () => {
    byId('setting-fields').replaceChildren(...fields());
    dialog.showModal();
  });
  byId('reset-settings').addEventListener('click', () => {
    const { system } = state.conversation.settings;
    const size = sizeOf(state.conversation.settings);
    for (const name of Object.keys(state.conversation.settings))
      delete state.conversation.settings[name];
    changeSettings({ ...(system ? { system } : {}), ...(size ? { size } : {}) });
    byId('setting-fields').replaceChildren(...fields());
  });
}

// SPDX-License-Identifier: Apache-2.0
// Files that go with a question. Each is shown to the server as soon as it is there, so that what
// is too large or cannot be read is said before anything is sent, and its tokens are known.
import { post } from './api.js';
import { bodyOf } from './ask.js';
import { announce, copyText, el, icon, iconButton } from './dom.js';
import { megabytes } from './numbers.js';
import { state } from './state.js';

const TEXT_ENDINGS =
  /\.(txt|md|csv|tsv|json|jsonl|xml|html?|css|js|ts|py|c|h|cc|cpp|java|rs|go|sh|sql|ya?ml|toml|ini|log|tex|srt|vtt)$/i;
const MOST_TEXT = 2 << 20;

/** @returns {'image'|'audio'|'video'|'text'|null} */
export function kindOf(file) {
  const [family] = (file.type || '').split('/');
  if (family === 'image' || family === 'audio' || family === 'video') return family;
  if (/\.(flac|opus|m4a|wav|mp3|ogg)$/i.test(file.name)) return 'audio';
  if (/\.(mkv|mov|avi|mts|m2ts)$/i.test(file.name)) return 'video';
  return family === 'text' || TEXT_ENDINGS.test(file.name) ? 'text' : null;
}

/** What a request in JSON holds: base64 takes four bytes for three. */
const mostOf = (info) => (info ? (info.body_bytes * 3) / 4 - 65536 : Infinity);

/** What is wrong with a file at first sight; empty: nothing. */
export function troubleWith(file, kind, info, most = mostOf(info)) {
  if (!kind) return 'neither a picture, sound, film nor text';
  if (kind === 'text')
    return file.size > MOST_TEXT
      ? `${megabytes(file.size)} of text; at most ${megabytes(MOST_TEXT)} are taken`
      : '';
  if (file.size > most)
    return `${megabytes(file.size)}; the server takes at most ${megabytes(most)}`;
  if (info && !info.sees && kind !== 'audio') return 'this model does not see';
  if (info && !info.hears && kind === 'audio') return 'this model does not hear';
  return '';
}

/** Pictures that the browser reads and the server does not (AVIF, HEIC on some machines). */
async function asPng(blob) {
  const picture = await createImageBitmap(blob);
  const canvas = /** @type {HTMLCanvasElement} */ (
    el('canvas', { width: picture.width, height: picture.height })
  );
  canvas.getContext('2d').drawImage(picture, 0, 0);
  return new Promise((resolve, reject) =>
    canvas.toBlob((png) => (png ? resolve(png) : reject(new Error('no picture'))), 'image/png'),
  );
}

let plain = 0; // tokens of a conversation with nothing in it
async function tokensOf(attachment) {
  plain ||= (await post('/page/count', await bodyOf([{ role: 'user', text: 'x' }], {}))).tokens;
  const body = await bodyOf([{ role: 'user', text: 'x', attachments: [attachment] }], {});
  return (await post('/page/count', body)).tokens - plain;
}

/** The row of files above the line that is typed into. */
export class AttachmentList {
  /** @param {HTMLElement} list a <ul> @param {() => void} changed */
  constructor(list, changed) {
    this.list = list;
    this.changed = changed;
    this.entries = /** @type {any[]} */ ([]);
    this.waiting = /** @type {((done?: any) => void)[]} */ ([]);
  }

  /** @param {Iterable<File>} files */
  addFiles(files) {
    return Promise.all([...files].map((file) => this.add(file, file.name || 'pasted')));
  }

  /** @param {Blob} blob @param {string} name */
  async add(blob, name) {
    const kind = kindOf({ type: blob.type, name, size: blob.size });
    const entry = {
      kind,
      name,
      type: blob.type,
      blob,
      tokens: undefined,
      trouble: troubleWith(blob, kind, state.info),
      checking: false,
    };
    this.entries.push(entry);
    this.#draw();
    if (!entry.trouble) await this.#check(entry);
    if (entry.trouble) announce(`${name}: ${entry.trouble}`);
    return entry;
  }

  async #check(entry) {
    entry.checking = true;
    this.#draw();
    try {
      try {
        entry.tokens = await tokensOf(entry);
      } catch (error) {
        if (error.code !== 'invalid_image') throw error;
        const png = await asPng(entry.blob).catch(() => {
          throw error;
        });
        Object.assign(entry, { blob: png, type: 'image/png' });
        entry.tokens = await tokensOf(entry);
      }
    } catch (error) {
      // What cannot be reached now may be sent later.
      if (error.code !== 'server_gone') {
        entry.trouble = error.message.replace(/^messages\[0\]\.content\[0\]\.[\w.]+: /, '');
        Object.assign(entry, { code: error.code ?? 'page_error', details: error.details });
      }
    }
    entry.checking = false;
    this.#draw();
  }

  /** Those that can be sent, as messages keep them. */
  good() {
    return this.entries
      .filter((one) => !one.trouble)
      .map(({ kind, name, type, blob, tokens }) => ({ kind, name, type, blob, tokens }));
  }

  get checking() {
    return this.entries.some((one) => one.checking);
  }

  /** Resolves when the server has seen all that are left. */
  checked() {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.#draw();
    });
  }

  /** Those that were sent go; what was refused stays to be seen. */
  sent() {
    this.entries = this.entries.filter((one) => one.trouble);
    this.#draw();
  }

  get tokens() {
    return this.entries.reduce((sum, one) => sum + (one.trouble ? 0 : (one.tokens ?? 0)), 0);
  }

  set(attachments) {
    this.entries = attachments.map((one) => ({ ...one, trouble: '', checking: false }));
    this.#draw();
  }

  #draw() {
    this.list.replaceChildren(
      ...this.entries.map((entry) => {
        const note =
          entry.trouble ||
          (entry.checking
            ? 'reading …'
            : entry.tokens === undefined
              ? ''
              : `${entry.tokens} tokens`);
        const remove = iconButton('close', `Remove ${entry.name}`, {
          onclick: () => {
            this.entries = this.entries.filter((one) => one !== entry);
            this.#draw();
          },
        });
        const code = entry.trouble && el('strong', {}, entry.code ?? 'not_sent');
        const copy = iconButton('copy', `Copy details of ${entry.name}`, {
          onclick: () => copyText(entry.details ?? `${entry.name}: ${entry.trouble}`, copy),
        });
        return el(
          entry.trouble ? 'li.chip.bad' : 'li.chip',
          {},
          preview(entry),
          el(
            'span.chip-text',
            {},
            el('span.name', {}, entry.name),
            el('span.note', {}, code || '', code ? ' ' : '', note),
          ),
          entry.trouble ? copy : '',
          remove,
        );
      }),
    );
    this.changed();
    if (!this.checking) for (const resolve of this.waiting.splice(0)) resolve();
  }
}

const urls = /** @type {WeakMap<Blob, string>} */ (new WeakMap());
/** An address within this page. @param {Blob} blob */
export function urlOf(blob) {
  if (!urls.has(blob)) urls.set(blob, URL.createObjectURL(blob));
  return urls.get(blob);
}

function preview(entry) {
  if (entry.kind === 'image') {
    const image = el('img.thumb', { src: urlOf(entry.blob), alt: '' });
    image.addEventListener('error', () => image.replaceWith(icon('camera')));
    return image;
  }
  return icon(entry.kind === 'video' ? 'film' : entry.kind === 'audio' ? 'sound' : 'attach');
}

/** As it stands in the conversation. */
export function shown(attachment) {
  const { kind, name, blob } = attachment;
  if (kind === 'image') return el('img.media', { src: urlOf(blob), alt: name });
  if (kind === 'audio')
    return el('audio.media', { src: urlOf(blob), controls: true, 'aria-label': name });
  if (kind === 'video')
    return el('video.media', { src: urlOf(blob), controls: true, 'aria-label': name });
  return el('span.chip', {}, icon('attach'), el('span.name', {}, name));
}

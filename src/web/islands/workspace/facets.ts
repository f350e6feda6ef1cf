// Choices beside their counts: of what the other questions leave.
import { say } from '../words';
import type { Index } from './columns';
import { type Question, count, select, whoIAm } from './filter';

type Name = 'state' | 'kind' | 'grade' | 'tag' | 'sign' | 'submission' | 'device' | 'assigned';

/** Hand-overs and devices are many: the largest are listed. */
const LISTED = 8;

export interface Choice { word: string; text: string; count: number }

export class Facets {
  constructor(private readonly change: (asked: Question) => void) {}

  show(index: Index, asked: Question): void {
    this.column('ws-states', 'state', index, asked, index.header.states, index.state, (word) => say(`state-${word}`));
    this.column('ws-kinds', 'kind', index, asked, index.header.kinds, index.kind, (word) => say(`kind-${word}`));
    this.column('ws-grades', 'grade', index, asked, index.header.grades, index.grade, (word) => `${word}: ${say(`grade-${word}`)}`);
    this.bits('ws-tags', 'tag', index, asked, index.header.tags, index.tags, tagText);
    this.bits('ws-signs', 'sign', index, asked, index.header.signs, index.signs, (word) => say(`sign-${word}`));
    this.groups('ws-devices', 'device', index, asked, index.device, deviceText(index));
    this.groups('ws-submissions', 'submission', index, asked, index.sender, (n) => say('submission', { number: n }));
    this.people(index, asked);
    const known = document.getElementById('ws-tag-words');
    if (known && known.childElementCount !== index.header.tags.length - 2) {
      // (The two that mean something to the program have buttons.)
      known.replaceChildren(...index.header.tags.slice(2).map((word) => new Option(word, word)));
    }
  }

  /** States alone: what changes with every decision. */
  states(index: Index, asked: Question): void {
    this.column('ws-states', 'state', index, asked, index.header.states, index.state, (word) => say(`state-${word}`));
  }

  private column(id: string, name: Name, index: Index, asked: Question, words: string[], column: Uint32Array, text: (word: string) => string): void {
    const counts = count(column, select(index, asked, [name]), words.length);
    this.field(id, name, asked, words.map((word, n) => ({ word, text: text(word), count: counts[n + 1]! })));
  }

  private bits(id: string, name: Name, index: Index, asked: Question, words: string[], column: Uint32Array, text: (word: string) => string): void {
    const counts = new Uint32Array(words.length);
    const rows = select(index, asked, [name]);
    for (let n = 0; n < rows.length; n++) {
      let mask = column[rows[n]!]!;
      for (let bit = 0; mask !== 0; bit++, mask >>>= 1) if (mask & 1) counts[bit]!++;
    }
    const chosen = (asked[name] ?? '').split(',');
    const all = words.map((word, n) => ({ word, text: text(word), count: counts[n]! }));
    // (Of ten signs few are found at once; tags have their places.)
    this.field(id, name, asked, name === 'sign' ? all.filter((c) => c.count > 0 || chosen.includes(c.word)) : all);
  }

  /** What belongs together by a number: the largest groups, and the one that is asked for. */
  private groups(id: string, name: Name, index: Index, asked: Question, column: Uint32Array, text: (number: number) => string): void {
    const counts = new Map<number, number>();
    const rows = select(index, asked, [name]);
    for (let n = 0; n < rows.length; n++) { const group = column[rows[n]!]!; if (group > 0) counts.set(group, (counts.get(group) ?? 0) + 1); }
    const largest = [...counts].sort((x, y) => y[1] - x[1] || x[0] - y[0]).slice(0, LISTED).filter(([, n]) => n > 1);
    const wanted = Number(asked[name]);
    if (wanted > 0 && !largest.some(([group]) => group === wanted)) largest.push([wanted, counts.get(wanted) ?? 0]);
    this.field(id, name, asked, largest.map(([group, n]) => ({ word: String(group), text: text(group), count: n })), true);
    document.getElementById(id)!.hidden = largest.length === 0;
  }

  private people(index: Index, asked: Question): void {
    const { people } = index.header;
    const counts = count(index.assignee, select(index, asked, ['assigned']), people.length);
    // Somebody else's queue is one of them at a time; only those who have something are listed.
    const all: Choice[] = [{ word: 'nobody', text: say('assigned-nobody'), count: counts[0]! }];
    people.forEach(([id, name, may], n) => { if (counts[n + 1]! > 0 || (may && asked.assigned === id)) all.push({ word: id, text: name, count: counts[n + 1]! }); });
    this.field('ws-people', 'assigned', asked, all, true);
  }

  private field(id: string, name: Name, asked: Question, choices: Choice[], one = false): void {
    const field = document.getElementById(id)!;
    const chosen = new Set((asked[name] ?? '').split(',').filter(Boolean).map((w) => (name === 'assigned' && w === 'me' ? whoIAm() : w)));
    const kept = new Set(choices.map((c) => c.word));
    field.querySelectorAll<HTMLElement>('[data-word]').forEach((label) => { if (!kept.has(label.dataset.word!)) label.remove(); });
    let place = field.querySelector('legend')?.nextElementSibling ?? null;
    for (const { word, text, count: n } of choices) {
      let label = field.querySelector<HTMLLabelElement>(`[data-word="${CSS.escape(word)}"]`);
      if (!label) {
        label = document.createElement('label');
        label.dataset.word = word;
        const input = document.createElement('input');
        input.type = 'checkbox';
        input.addEventListener('change', () => {
          const now = new Set(one ? [] : this.chosen(id));
          if (input.checked) now.add(word);
          else now.delete(word);
          this.change({ [name]: [...now].join(',') || undefined });
        });
        const span = document.createElement('span');
        span.textContent = text;
        const number = document.createElement('span');
        number.className = 'count';
        label.append(input, span, number);
      }
      // (What is in its place is not moved: it may have the focus.)
      if (label === place) place = place.nextElementSibling;
      else field.insertBefore(label, place);
      label.querySelector('span')!.textContent = text;
      label.querySelector('input')!.checked = chosen.has(word);
      label.querySelector('.count')!.textContent = String(n);
    }
  }

  private chosen(id: string): string[] {
    return [...document.querySelectorAll<HTMLElement>(`#${id} [data-word]`)].filter((l) => l.querySelector('input')!.checked).map((l) => l.dataset.word!);
  }
}

/** How a device is called: its make and model, and by its number where nothing tells it from others of the model. */
export function deviceText(index: Index): (number: number) => string {
  const words = new Map(index.header.devices.map(([number, text, exact]) => [number, say(exact ? 'device' : 'model', { words: text, number })]));
  return (number) => words.get(number) ?? say('submission', { number });
}

export function tagText(word: string): string {
  return word === 'second-look' || word === 'graphic' ? say(`tag-${word}`) : word;
}

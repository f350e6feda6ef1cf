// Which key does what: the letters can be changed, switched off, and each has a button (WCAG 2.1.4). What somebody chose is kept in this
// browser under their own account.
import { say } from '../words';

/** What can be done, with the key that does it unless somebody chose another. What is common to two pages has one key on both. */
const COMMON = { right: 'j', left: 'k', relevant: 'p', not_relevant: 'x', undecided: 'u', second: 'b', help: '?' };
export const OF_WORKSPACE: Record<string, string> = {
  ...COMMON, best: 'P', duplicate: 'd', family: 'f', select: ' ', skip: 's', assign: 'a', tag: 't', compare: 'c', map: 'm', search: '/', graphic: 'g',
};
export const OF_VIEWER: Record<string, string> = {
  ...COMMON, in: '+', out: '-', fit: '0', 'full-size': 'z', rotate: 'r', screen: 'f', play: ' ', back: ',', on: '.', slower: '[', faster: ']', mark: 'm', note: 'n',
};

export class Keys {
  private chosen: Record<string, string>;
  private readonly place: string;

  constructor(me: string, private readonly defaults: Record<string, string>, private readonly can: (act: string) => boolean) {
    this.place = `temoin-keys-${me}`;
    this.chosen = { ...defaults };
    try {
      const kept = this.kept();
      for (const act of Object.keys(defaults)) if (typeof kept[act] === 'string' && [...(kept[act] as string)].length === 1) this.chosen[act] = kept[act] as string;
      this.on = kept['off'] !== true;
    } catch { /* nothing was kept */ }
  }

  /** Whether letters act at all. */
  on = true;

  /** What a key does here. Caps Lock is not Shift. */
  act(e: KeyboardEvent): string | undefined {
    if (!this.on) return undefined;
    const letter = e.key.length === 1 && e.key.toLowerCase() !== e.key.toUpperCase();
    const key = letter ? (e.shiftKey ? e.key.toUpperCase() : e.key.toLowerCase()) : e.key;
    return Object.keys(this.chosen).find((act) => this.chosen[act] === key && this.can(act));
  }

  key(act: string): string { return this.chosen[act] ?? ''; }

  /** As people read it. */
  shown(act: string): string {
    const key = this.key(act);
    if (key === ' ') return say('key-space');
    return key.toLowerCase() !== key.toUpperCase() && key === key.toUpperCase() ? `⇧${key}` : key.toUpperCase();
  }

  switch(on: boolean): void {
    this.on = on;
    this.keep();
  }

  /** Another key for an act; whatever had it loses it to the old one, so that everything keeps a key. */
  change(act: string, key: string): void {
    const other = Object.keys(this.chosen).find((a) => this.chosen[a] === key);
    if (other && other !== act) this.chosen[other] = this.chosen[act]!;
    this.chosen[act] = key;
    this.keep();
  }

  reset(): void {
    this.chosen = { ...this.defaults };
    this.keep();
  }

  private kept(): Record<string, unknown> { return JSON.parse(localStorage.getItem(this.place) ?? '{}') as Record<string, unknown>; }

  private keep(): void {
    // (What was chosen for the other page stays.)
    try { localStorage.setItem(this.place, JSON.stringify({ ...this.kept(), ...this.chosen, off: !this.on })); } catch { /* kept while this page is open */ }
  }

  /** The sheet: every act with its key, to be looked up and changed. */
  sheet(dialog: HTMLDialogElement, list: HTMLElement, changed: () => void): void {
    list.replaceChildren(...Object.keys(this.defaults).filter((act) => this.can(act)).map((act) => {
      const row = document.createElement('tr');
      const what = document.createElement('th');
      what.scope = 'row';
      what.textContent = say(`key-${act}`);
      const cell = document.createElement('td');
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'plain';
      const tell = (): void => {
        button.textContent = this.shown(act);
        button.setAttribute('aria-label', say('key-change', { what: say(`key-${act}`), key: this.shown(act) }));
      };
      tell();
      button.addEventListener('click', () => {
        button.textContent = say('key-press');
        const listen = (e: KeyboardEvent): void => {
          if (['Shift', 'Control', 'Alt', 'Meta', 'CapsLock'].includes(e.key)) return;
          e.preventDefault();
          e.stopPropagation();
          button.removeEventListener('keydown', listen, true);
          // (Names of more than one character move in the grid or belong to the browser.)
          // (And digits are the appeal's own tags.)
          if ([...e.key].length === 1 && !/\d/.test(e.key) && !e.ctrlKey && !e.metaKey && !e.altKey) {
            this.change(act, e.key);
            changed();
            this.sheet(dialog, list, changed);
            (list.querySelector<HTMLElement>(`[data-act-key="${act}"]`))?.focus();
          } else tell();
        };
        button.addEventListener('keydown', listen, true);
      });
      button.addEventListener('blur', tell);
      button.dataset.actKey = act;
      cell.append(button);
      row.append(what, cell);
      return row;
    }));
    if (!dialog.open) dialog.showModal();
  }
}

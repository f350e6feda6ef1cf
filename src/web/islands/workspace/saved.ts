// Filters under a name, one's own and those that colleagues share.
import { say } from '../words';
import { ask, guarded } from './server';

interface One { id: string; name: string; query: string; shared: boolean; mine: boolean; by: string }

export class Saved {
  private all: One[] = [];
  private readonly choice: HTMLSelectElement;
  private readonly form: HTMLFormElement;
  private readonly away: HTMLButtonElement;

  constructor(
    box: HTMLElement,
    private readonly api: string,
    private readonly now: () => string,
    private readonly chosen: (query: string) => void,
    private readonly problem: (text: string) => void,
  ) {
    this.choice = box.querySelector('select')!;
    this.form = box.querySelector('form')!;
    this.away = box.querySelector('[data-delete]')!;
    this.choice.addEventListener('change', () => {
      const one = this.one;
      this.away.hidden = !one?.mine;
      if (one) this.chosen(one.query);
    });
    this.away.addEventListener('click', () => void this.remove());
    this.form.addEventListener('submit', (e) => { e.preventDefault(); void this.save(); });
    void this.load();
  }

  private get one(): One | undefined { return this.all.find((f) => f.id === this.choice.value); }

  private async load(select = ''): Promise<void> {
    const all = await guarded(async () => (await (await ask(`${this.api}/filters`)).json()) as One[], this.problem);
    if (!all) return;
    this.all = all;
    this.choice.replaceChildren(new Option(say('saved-none'), ''), ...all.map((f) => new Option(f.mine ? f.name : `${f.name} (${f.by})`, f.id)));
    this.choice.value = select;
    this.away.hidden = !this.one?.mine;
  }

  private async save(): Promise<void> {
    const data = new FormData(this.form);
    const made = await guarded(async () => (await (await ask(`${this.api}/filters`, { name: data.get('name'), query: this.now(), shared: data.get('shared') === 'on' })).json()) as { id: string }, this.problem);
    if (!made) return;
    this.form.reset();
    await this.load(made.id);
  }

  private async remove(): Promise<void> {
    const one = this.one;
    if (!one?.mine) return;
    await guarded(() => ask(`${this.api}/filters/${one.id}`, undefined, 'DELETE'), this.problem);
    this.choice.focus();
    await this.load();
  }
}

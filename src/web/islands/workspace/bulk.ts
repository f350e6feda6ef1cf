// One act on what is chosen, or on everything that is found: looked at first, done in pieces with progress, taken back in one.
import { say } from '../words';
import { ask } from './server';

const PIECE = 2_000;

export interface Changed { number: number; state: string; version: number }
export interface Done { act: string; changed: Changed[]; left: number }
export interface Effect { changes: number; already: number; stands: number; held: number; gone: number }
type What = Record<string, unknown> & { act: string };

/** What an act would do, all pieces together. */
export async function preview(api: string, numbers: number[], families: boolean, what: What): Promise<Effect> {
  const sum: Effect = { changes: 0, already: 0, stands: 0, held: 0, gone: 0 };
  for (let at = 0; at < numbers.length; at += PIECE) {
    const some = (await (await ask(`${api}/acts/preview`, { numbers: numbers.slice(at, at + PIECE), families, what })).json()) as Effect;
    for (const key of Object.keys(sum) as (keyof Effect)[]) sum[key] += some[key];
  }
  return sum;
}

/** Does it, piece after piece under one act. What was done before something went wrong can be taken back too: `began` has the act. */
export async function act(api: string, numbers: number[], families: boolean, what: What, reason: string, began: (done: Done) => void, progress: (share: number) => void): Promise<Done> {
  const sum: Done = { act: '', changed: [], left: 0 };
  for (let at = 0; at < numbers.length; at += PIECE) {
    progress(at / numbers.length);
    const done = (await (await ask(`${api}/acts`, { numbers: numbers.slice(at, at + PIECE), families, what, reason, ...(sum.act ? { under: sum.act } : {}) })).json()) as Done;
    if (!sum.act) { sum.act = done.act; began(sum); }
    sum.changed.push(...done.changed);
    sum.left += done.left;
  }
  progress(1);
  return sum;
}

export async function undo(api: string, id: string): Promise<Done> {
  return (await (await ask(`${api}/acts/${id}/undo`, {})).json()) as Done;
}

/** The panel: which act, on what, why; what it would do; do it. */
export class Panel {
  private readonly form: HTMLFormElement;
  private readonly told: HTMLElement;
  private readonly bar: HTMLProgressElement;
  private readonly go: HTMLButtonElement;

  constructor(
    form: HTMLFormElement,
    private readonly api: string,
    private readonly scope: () => { numbers: number[]; families: boolean },
    private readonly moment: (local: string) => string | null,
    private readonly done: { began(done: Done): void; ended(done: Done): void; failed(e: unknown): void },
  ) {
    this.form = form;
    this.told = form.querySelector('[data-told]')!;
    this.bar = form.querySelector('progress')!;
    this.go = form.querySelector('[data-do]')!;
    const choice = form.querySelector('select[name=act]') as HTMLSelectElement;
    const turn = (): void => {
      form.querySelectorAll<HTMLElement>('[data-for]').forEach((field) => { field.hidden = !field.dataset.for!.split(' ').includes(choice.value); });
      this.forget();
    };
    choice.addEventListener('change', turn);
    form.addEventListener('input', () => this.forget());
    turn();
    form.addEventListener('submit', (e) => { e.preventDefault(); void this.look(); });
    this.go.addEventListener('click', () => void this.act());
  }

  /** Something else is chosen: what was looked at does not hold any more. */
  forget(): void {
    this.go.hidden = true;
    this.told.textContent = '';
  }

  private what(): What {
    const data = new FormData(this.form);
    const text = (name: string): string => String(data.get(name) ?? '').trim();
    switch (text('act')) {
      case 'tag': case 'untag': return { act: text('act'), tag: text('tag') };
      case 'assign': return { act: 'assign', ...(text('to') ? { to: text('to') } : {}) };
      case 'correct': {
        const [lat, lon] = text('point').split(/[,\s]+/).map(Number);
        const [from, to] = [this.moment(text('from')), this.moment(text('until'))];
        return {
          act: 'correct', ...(from ? { from } : {}), ...(to ? { to } : {}),
          ...(text('point') ? { lat, lon, ...(text('radius_m') ? { radius_m: Number(text('radius_m')) } : {}) } : {}),
        };
      }
      case 'relevant': case 'not_relevant': case 'undecided': return { act: 'decide', decision: text('act') };
      default: return { act: text('act') };
    }
  }

  private get some(): { numbers: number[]; families: boolean } {
    const { numbers, families } = this.scope();
    const first = Number(new FormData(this.form).get('first') ?? 0);
    return { numbers: first > 0 ? numbers.slice(0, first) : numbers, families };
  }

  private async look(): Promise<void> {
    this.forget();
    const { numbers, families } = this.some;
    if (numbers.length === 0) { this.told.textContent = say('bulk-nothing'); return; }
    try {
      const effect = await preview(this.api, numbers, families, this.what());
      this.told.textContent = [
        say('bulk-changes', { n: effect.changes }),
        effect.already > 0 ? say('bulk-already', { n: effect.already }) : '',
        effect.stands > 0 ? say('bulk-stands', { n: effect.stands }) : '',
        effect.held > 0 ? say('bulk-held', { n: effect.held }) : '',
      ].filter(Boolean).join(' ');
      this.go.hidden = effect.changes === 0;
      this.go.textContent = say('bulk-do', { n: effect.changes });
    } catch (e) { this.done.failed(e); }
  }

  private async act(): Promise<void> {
    const { numbers, families } = this.some;
    const reason = String(new FormData(this.form).get('reason') ?? '');
    this.bar.hidden = false;
    // (The button goes away: what it did is where the focus stays.)
    this.told.focus();
    this.go.disabled = true;
    try {
      const done = await act(this.api, numbers, families, this.what(), reason, (d) => this.done.began(d), (share) => { this.bar.value = share; });
      // (Other tiles are chosen by it: what was looked at is forgotten, what was done is told.)
      this.done.ended(done);
      this.forget();
      this.told.textContent = [say('bulk-done', { n: done.changed.length }), done.left > 0 ? say('bulk-left', { n: done.left }) : ''].filter(Boolean).join(' ');
    } catch (e) { this.done.failed(e); }
    this.bar.hidden = true;
    this.go.disabled = false;
  }
}

// One exhibit before somebody's eyes: zoom that stays from one to the next, single frames, speed, marks drawn over it and never into it, and
// the way through the order from which it was opened. Without script the page does all but this.
import { say } from '../words';
import { Keys, OF_VIEWER } from '../workspace/keys';
import { Use, leave } from '../workspace/live';
import { ask, words } from '../workspace/server';
import { Stage, type View } from './stage';

const box = document.getElementById('viewer')!;
const by = (id: string): HTMLElement | null => document.getElementById(id);
const may = 'decide' in box.dataset;
const code = box.dataset.code!;
const api = `/api/v1/appeals/${encodeURIComponent(code)}`;
const KEPT_VIEW = 'temoin-view';
/** Of a clip that does not say how many frames it has in a second. */
const FRAME_S = 1 / 30;
const SPEEDS = [0.1, 0.25, 0.5, 1, 1.5, 2, 4];

function tell(text: string): void { by('viewer-said')!.textContent = text; }

function kept<T>(name: string): T | null {
  try { return JSON.parse(sessionStorage.getItem(name) ?? 'null') as T | null; } catch { return null; }
}

interface Way { numbers: number[]; address: string; families: boolean }
const way = kept<Way>(`temoin-order-${code}`);
const number = Number(box.dataset.number);
const at = way ? way.numbers.indexOf(number) : -1;

async function step(by: number): Promise<void> {
  const to = way?.numbers[at + by];
  if (at < 0 || to === undefined) { tell(say('end')); return; }
  const { items } = (await (await ask(`${api}/tiles`, { numbers: [to] })).json()) as { items: { id: string }[] };
  if (items[0]) location.assign(`/exhibits/${items[0].id}`);
  else tell(say('left'));
}

async function decide(decision: string): Promise<void> {
  const note = (by('note') as HTMLTextAreaElement | null)?.value ?? '';
  const body = { items: [{ number, version: Number(box.dataset.version) }], decision, rest: way?.families ? 'same' : 'left', note };
  const told = (await (await ask(`${api}/decisions`, body)).json()) as { changed: { number: number; version: number }[]; left: number[]; held: number[] };
  if (told.held.length > 0) { tell(say('held')); return; }
  if (told.left.length > 0) { tell(say('left')); return; }
  tell(say('saved', { state: say(`state-${decision}`) }));
  if (at >= 0 && at + 1 < way!.numbers.length) await step(1);
  else location.reload();
}

const guarded = (work: Promise<void>): void => { work.catch((e: unknown) => tell(words(e))); };

if (at >= 0 && way) {
  by('viewer-steps')!.hidden = false;
  by('viewer-at')!.textContent = say('of', { n: at + 1, all: way.numbers.length });
  (by('viewer-workspace') as HTMLAnchorElement).href = `/appeals/${encodeURIComponent(code)}${way.address}#at=${number}`;
  document.querySelectorAll<HTMLElement>('[data-step]').forEach((b) => b.addEventListener('click', () => guarded(step(Number(b.dataset.step)))));
}

function media(): void {
  const element = by('stage');
  const turn = element?.querySelector<HTMLElement>('.turn');
  if (!element || !turn) return;
  const tools = document.querySelector<HTMLElement>('.viewer-tools')!;
  tools.hidden = false;
  document.querySelectorAll<HTMLElement>('[data-view]').forEach((b) => { b.hidden = false; });
  const stage = new Stage(element, turn, (view) => { try { sessionStorage.setItem(KEPT_VIEW, JSON.stringify(view)); } catch { /* not kept, then */ } });
  const before = kept<View>(KEPT_VIEW);
  // Zoom and place stay from one exhibit to the next; a turn belongs to one picture.
  if (before && before.zoom > 1) stage.set({ ...before, turn: 0 });
  const clip = element.querySelector<HTMLVideoElement>('video') ?? element.querySelector<HTMLAudioElement>('audio');
  let frame = FRAME_S;
  if (clip instanceof HTMLVideoElement && 'requestVideoFrameCallback' in clip) {
    // What lies between two frames is how long one is.
    let last = -1;
    const seen = (_: number, told: { mediaTime: number }): void => {
      if (last >= 0 && told.mediaTime > last && told.mediaTime - last < 0.2) frame = Math.min(frame === FRAME_S ? 1 : frame, told.mediaTime - last);
      last = told.mediaTime;
      if (!clip.paused) clip.requestVideoFrameCallback(seen);
    };
    clip.addEventListener('play', () => { last = -1; clip.requestVideoFrameCallback(seen); });
  }
  const clock = by('viewer-clock');
  clip?.addEventListener('timeupdate', () => { if (clock) clock.textContent = `${clip.currentTime.toFixed(2)} s`; draw(); });
  const loop = by('viewer-loop') as HTMLInputElement | null;
  loop?.addEventListener('change', () => { if (clip) clip.loop = loop.checked; });
  const speed = (by: number): void => {
    if (!clip) return;
    const now = SPEEDS.reduce((best, s, n) => (Math.abs(s - clip.playbackRate) < Math.abs(SPEEDS[best]! - clip.playbackRate) ? n : best), 0);
    clip.playbackRate = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, now + by))]!;
    tell(say('speed', { speed: clip.playbackRate }));
  };
  const seek = (by: number): void => { if (clip) { clip.pause(); clip.currentTime = Math.max(0, clip.currentTime + by); } };
  const acts: Record<string, () => void> = {
    in: () => stage.zoom(1.5), out: () => stage.zoom(1 / 1.5), fit: () => stage.fit(), 'full-size': () => stage.full(), rotate: () => stage.rotate(),
    screen: () => { if (document.fullscreenElement) void document.exitFullscreen(); else void element.requestFullscreen().catch(() => undefined); },
    play: () => { if (clip?.paused) void clip.play().catch(() => undefined); else clip?.pause(); },
    back: () => seek(-frame), on: () => seek(frame), slower: () => speed(-1), faster: () => speed(1),
    mark: () => mark(clip), region: () => region(),
  };
  document.querySelectorAll<HTMLElement>('[data-view]').forEach((b) => b.addEventListener('click', () => acts[b.dataset.view!]?.()));
  const decides = ['relevant', 'not_relevant', 'undecided'];
  const only = [...decides, 'second', 'note'];
  const keys = new Keys(box.dataset.me!, OF_VIEWER, (act) => (!only.includes(act) || may) && (clip !== null || !['play', 'back', 'on', 'slower', 'faster', 'mark'].includes(act)));
  for (const act of decides) acts[act] = () => guarded(decide(act));
  acts['second'] = () => guarded(ask(`${api}/acts`, { numbers: [number], what: { act: 'tag', tag: 'second-look' } }).then(() => tell(say('tagged'))));
  acts['note'] = () => by('remark-words')?.focus();
  acts['right'] = () => guarded(step(1));
  acts['left'] = () => guarded(step(-1));
  /** Buttons show the keys that do the same. */
  const label = (): void => {
    for (const [places, name] of [['[data-view]', 'view'], ['[data-key]', 'key']] as const) {
      document.querySelectorAll<HTMLElement>(places).forEach((b) => {
        const kbd = b.querySelector('kbd');
        if (kbd && keys.key(b.dataset[name]!)) kbd.textContent = keys.shown(b.dataset[name]!);
      });
    }
  };
  const dialog = by('viewer-keys-dialog') as HTMLDialogElement;
  acts['help'] = () => keys.sheet(dialog, by('viewer-keys-list')!, label);
  by('viewer-keys-close')!.addEventListener('click', () => dialog.close());
  by('viewer-keys-reset')!.addEventListener('click', () => { keys.reset(); label(); acts['help']!(); });
  dialog.addEventListener('close', () => element.focus());
  const on = by('viewer-keys') as HTMLInputElement;
  on.checked = keys.on;
  on.addEventListener('change', () => keys.switch(on.checked));
  label();
  // Letters act while the picture has the focus, or nothing has (WCAG 2.1.4); they can be switched off.
  document.addEventListener('keydown', (e) => {
    const free = document.activeElement === document.body || element.contains(document.activeElement);
    if (!free || e.ctrlKey || e.metaKey || e.altKey) return;
    if (element.contains(document.activeElement) && e.key.startsWith('Arrow') && stage.view.zoom > 1) {
      e.preventDefault();
      const by = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] }[e.key] as [number, number];
      stage.by(...by);
      return;
    }
    // (The plus lies on the key of the equals sign.)
    const act = keys.act(e) ?? (e.key === '=' && keys.on && keys.key('in') === '+' ? 'in' : undefined);
    // (A clip with the focus has its own space bar.)
    if (act && !(act === 'play' && document.activeElement === clip)) { e.preventDefault(); acts[act]?.(); }
  });
  document.querySelectorAll<HTMLElement>('.remark[data-from]').forEach((one) => {
    const go = one.querySelector<HTMLButtonElement>('[data-go]');
    if (!one.dataset.from || !clip || !go) return;
    go.hidden = false;
    go.addEventListener('click', () => { clip.currentTime = Number(one.dataset.from) / 1000; clip.pause(); stage.box.scrollIntoView({ block: 'nearest' }); draw(); });
  });

  const marks = turn.querySelector<HTMLElement>('.marks');
  /** Boxes over the picture: those of this moment, or without one. */
  function draw(): void {
    const shown = stage.media;
    if (!marks || !shown) return;
    const [w, h] = shown instanceof HTMLVideoElement ? [shown.videoWidth || 16, shown.videoHeight || 9] : [shown.naturalWidth || 1, shown.naturalHeight || 1];
    // The picture lies letterboxed in its element.
    const share = Math.min(shown.clientWidth / w, shown.clientHeight / h);
    const [left, top] = [shown.offsetLeft + (shown.clientWidth - w * share) / 2, shown.offsetTop + (shown.clientHeight - h * share) / 2];
    Object.assign(marks.style, { left: `${left}px`, top: `${top}px`, width: `${w * share}px`, height: `${h * share}px` });
    const ms = (clip?.currentTime ?? 0) * 1000;
    marks.replaceChildren(...[...document.querySelectorAll<HTMLElement>('.remark[data-region]')].flatMap((one) => {
      const { from, to, region } = one.dataset;
      if (!region || (from && (ms < Number(from) - 20 || ms > Number(to || from) + 1000))) return [];
      const [x, y, width, height] = region.split(',').map((n) => Number(n) / 10) as [number, number, number, number];
      const made = document.createElement('span');
      made.className = 'mark';
      Object.assign(made.style, { left: `${x}%`, top: `${y}%`, width: `${width}%`, height: `${height}%` });
      made.textContent = (one.querySelector('.pre')?.textContent ?? '').slice(0, 40);
      return [made];
    }));
  }

  function mark(of: HTMLMediaElement | null): void {
    const from = document.querySelector<HTMLInputElement>('#remark-form [name=from_s]');
    const to = document.querySelector<HTMLInputElement>('#remark-form [name=to_s]');
    if (!of || !from || !to) return;
    // The first press is where it begins, the second where it ends.
    const field = from.value === '' || to.value !== '' ? from : to;
    if (field === from) to.value = '';
    field.value = of.currentTime.toFixed(3);
    by('remark-words')?.focus();
  }

  /** The next drag on the picture is the part that is meant. */
  function region(): void {
    const field = document.querySelector<HTMLInputElement>('#remark-form [name=region]');
    const button = document.querySelector<HTMLElement>('[data-view=region]');
    if (!field || !button || !marks) return;
    // (Upright, so that left of the mark is left of the picture.)
    stage.set({ ...stage.view, turn: 0 });
    draw();
    stage.moves = false;
    button.setAttribute('aria-pressed', 'true');
    stage.box.scrollIntoView({ block: 'nearest' });
    const share = (e: PointerEvent): [number, number] => {
      const r = marks.getBoundingClientRect();
      const inside = (v: number): number => Math.round(Math.max(0, Math.min(1000, v * 1000)));
      return [inside((e.clientX - r.left) / r.width), inside((e.clientY - r.top) / r.height)];
    };
    let start: [number, number] | null = null;
    const down = (e: PointerEvent): void => { start = share(e); e.preventDefault(); };
    const up = (e: PointerEvent): void => {
      if (!start) return;
      const end = share(e);
      const [x, y] = [Math.min(start[0], end[0]), Math.min(start[1], end[1])];
      field.value = [x, y, Math.max(1, Math.abs(end[0] - start[0])), Math.max(1, Math.abs(end[1] - start[1]))].join(',');
      stage.moves = true;
      button.setAttribute('aria-pressed', 'false');
      stage.box.removeEventListener('pointerdown', down);
      stage.box.removeEventListener('pointerup', up);
      by('remark-words')?.focus();
    };
    stage.box.addEventListener('pointerdown', down);
    stage.box.addEventListener('pointerup', up);
  }

  stage.media?.addEventListener(stage.media instanceof HTMLVideoElement ? 'loadedmetadata' : 'load', draw);
  new ResizeObserver(draw).observe(element);
  draw();
}

// What colleagues marked as graphic is not even fetched before somebody asks for it.
const hidden = by('graphic-media') as HTMLTemplateElement | null;
by('graphic-show')?.addEventListener('click', () => {
  if (!hidden) return;
  by('graphic')?.remove();
  hidden.replaceWith(hidden.content);
  media();
  by('stage')?.focus();
});
if (!hidden) media();

// Who looks at it, for colleagues: as long as the page is in sight.
const family = Number(box.dataset.family);
const use = new Use();
const looking = (): void => {
  if (use.lately && may) void ask(`${api}/leases`, { families: [family], let_go: [] }).catch(() => undefined);
};
window.addEventListener('pagehide', () => { if (may) leave(api, family); });
document.addEventListener('visibilitychange', looking);
looking();
setInterval(looking, 60_000);

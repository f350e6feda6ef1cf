// Two to four exhibits side by side: one zoom for all, one clock for all clips, each with its own offset.
import { Stage } from '../viewer/stage';

const panes = [...document.querySelectorAll<HTMLElement>('.pane')];
const together = document.getElementById('compare-together') as HTMLInputElement;
const stages: Stage[] = panes.map((pane) => new Stage(pane.querySelector('.stage')!, pane.querySelector('.turn')!, (view) => {
  if (!together.checked) return;
  // (A turn belongs to one picture.)
  for (const other of stages) if (other.box !== pane.querySelector('.stage')) other.set({ ...view, turn: other.view.turn }, false);
}));

const clips = panes.flatMap((pane) => {
  const video = pane.querySelector('video');
  const offset = pane.querySelector<HTMLInputElement>('[name=offset]');
  return video && offset ? [{ video, offset }] : [];
});
const slider = document.getElementById('compare-time') as HTMLInputElement;
const clock = document.getElementById('compare-clock')!;
const play = document.getElementById('compare-play') as HTMLButtonElement | null;
let playing = false;
let from = 0;
let startedAt = 0;

const seconds = (input: HTMLInputElement): number => Number(input.value.replace(',', '.')) || 0;
/** How long the common clock runs: from the first beginning to the last end. */
function length(): [number, number] {
  const starts = clips.map((c) => seconds(c.offset));
  const ends = clips.map((c) => seconds(c.offset) + (Number.isFinite(c.video.duration) ? c.video.duration : 0));
  return [Math.min(0, ...starts), Math.max(1, ...ends)];
}

/** Every clip to its own moment of the common one; those that have not begun or are over wait. */
function to(time: number): void {
  const [first, last] = length();
  slider.min = String(first);
  slider.max = String(last);
  slider.value = String(time);
  clock.textContent = `${time.toFixed(2)} s`;
  slider.setAttribute('aria-valuetext', clock.textContent);
  for (const { video, offset } of clips) {
    const own = time - seconds(offset);
    // (What is marked as graphic and folded away is not played behind its back.)
    if (video.closest('details:not([open])')) { video.pause(); continue; }
    const inside = own >= 0 && own <= (video.duration || Infinity);
    video.closest('.pane')!.classList.toggle('away', !inside);
    if (!inside) { video.pause(); continue; }
    // (Small differences are left to the player; to correct them would stutter.)
    if (Math.abs(video.currentTime - own) > (playing ? 0.15 : 0.01)) video.currentTime = own;
    if (playing && video.paused) void video.play().catch(() => undefined);
    if (!playing) video.pause();
  }
}

function tick(): void {
  if (!playing) return;
  const now = from + (performance.now() - startedAt) / 1000;
  if (now >= length()[1]) { stop(); return; }
  to(now);
  requestAnimationFrame(tick);
}

function stop(): void {
  playing = false;
  if (play) play.setAttribute('aria-pressed', 'false');
  to(Number(slider.value));
}

function toggle(): void {
  if (playing) { stop(); return; }
  playing = true;
  play?.setAttribute('aria-pressed', 'true');
  from = Number(slider.value) >= length()[1] - 0.05 ? length()[0] : Number(slider.value);
  startedAt = performance.now();
  tick();
}

if (clips.length > 0) {
  slider.addEventListener('input', () => { playing = false; play?.setAttribute('aria-pressed', 'false'); to(Number(slider.value)); });
  play?.addEventListener('click', toggle);
  for (const b of document.querySelectorAll<HTMLElement>('[data-frame]')) {
    b.addEventListener('click', () => { playing = false; play?.setAttribute('aria-pressed', 'false'); to(Number(slider.value) + Number(b.dataset.frame) / 30); });
  }
  for (const { video, offset } of clips) {
    offset.addEventListener('change', () => { to(Number(slider.value)); keep(); });
    video.addEventListener('loadedmetadata', () => to(Number(slider.value)));
  }
}

/** The offsets stand in the address, so that a colleague is sent the same clock. */
function keep(): void {
  const address = new URL(location.href);
  address.searchParams.set('offset', panes.map((p) => { const field = p.querySelector<HTMLInputElement>('[name=offset]'); return field ? seconds(field) : 0; }).join(','));
  history.replaceState(null, '', address);
}

const all = (work: (stage: Stage) => void): void => stages.forEach(work);
const acts: Record<string, () => void> = {
  in: () => (together.checked ? stages[0]!.zoom(1.5) : all((s) => s.zoom(1.5))),
  out: () => (together.checked ? stages[0]!.zoom(1 / 1.5) : all((s) => s.zoom(1 / 1.5))),
  fit: () => all((s) => s.fit()),
  full: () => stages[0]?.full(),
};
document.querySelectorAll<HTMLElement>('[data-zoom]').forEach((b) => b.addEventListener('click', () => acts[b.dataset.zoom!]?.()));
for (const [n, pane] of panes.entries()) {
  pane.querySelector('.stage')!.addEventListener('keydown', (event) => {
    const e = event as KeyboardEvent;
    const move = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] }[e.key] as [number, number] | undefined;
    if (move) { e.preventDefault(); stages[n]!.by(...move); }
    if (e.key === '+' || e.key === '=') stages[n]!.zoom(1.5);
    if (e.key === '-') stages[n]!.zoom(1 / 1.5);
    if (e.key === '0') stages[n]!.fit();
    if (e.key === ' ' && clips.length > 0) { e.preventDefault(); toggle(); }
  });
}

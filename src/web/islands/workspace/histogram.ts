// When: how many exhibits may lie at each moment, those undecided darker; a brush to choose a stretch. What has no time is a bar of its own.
import { type Index, NO_TIME } from './columns';
import type { Zone } from './zone';

const HEIGHT = 96;

export interface Brush { from: number; to: number }

export class Histogram {
  private from = 0;
  private to = 1;
  private bins: { all: number; open: number }[] = [];
  private drag: { start: number; now: number } | null = null;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly zone: Zone,
    private readonly chosen: (brush: Brush | null) => void,
  ) {
    canvas.addEventListener('pointerdown', (e) => { this.drag = { start: this.second(e), now: this.second(e) }; canvas.setPointerCapture(e.pointerId); });
    canvas.addEventListener('pointermove', (e) => { if (this.drag) { this.drag.now = this.second(e); this.draw(); } });
    canvas.addEventListener('pointerup', () => {
      if (!this.drag) return;
      const [a, b] = [Math.min(this.drag.start, this.drag.now), Math.max(this.drag.start, this.drag.now)];
      this.drag = null;
      this.chosen(b - a < (this.to - this.from) / 200 ? null : { from: a, to: b });
    });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  brush: Brush | null = null;
  private window: Brush = { from: 0, to: 0 };

  /** The stretch that is drawn: the appeal's window, and where most exhibits are. */
  scale(index: Index): void {
    const { from, to } = index.header;
    this.window = { from, to };
    const times = index.t.filter((t) => t !== NO_TIME).sort();
    const around = Math.max(3600, (to - from) * 2);
    const low = times.length > 0 ? times[Math.floor(times.length * 0.02)]! : from;
    const high = times.length > 0 ? times[Math.ceil(times.length * 0.98) - 1]! : to;
    this.from = Math.max(Math.min(low, from) - 300, from - 12 * around);
    this.to = Math.min(Math.max(high, to) + 300, to + 12 * around);
  }

  show(index: Index, rows: Uint32Array, open: (row: number) => boolean): void {
    const count = 120;
    this.bins = Array.from({ length: count }, () => ({ all: 0, open: 0 }));
    const width = (this.to - this.from) / count;
    for (let n = 0; n < rows.length; n++) {
      const row = rows[n]!;
      const t = index.t[row]!;
      if (t === NO_TIME) continue;
      // The middle of the interval stands for it.
      const bin = Math.floor(((t + Math.max(t, index.tHi[row]!)) / 2 - this.from) / width);
      const b = this.bins[Math.max(0, Math.min(count - 1, bin))]!;
      b.all++;
      if (open(row)) b.open++;
    }
    this.draw();
  }

  private second(e: PointerEvent): number {
    const box = this.canvas.getBoundingClientRect();
    return Math.round(this.from + (Math.max(0, Math.min(box.width, e.clientX - box.left)) / Math.max(1, box.width)) * (this.to - this.from));
  }

  private draw(): void {
    const ratio = devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    if (width === 0) return;
    this.canvas.width = width * ratio;
    this.canvas.height = HEIGHT * ratio;
    const g = this.canvas.getContext('2d');
    if (!g) return;
    g.scale(ratio, ratio);
    const style = getComputedStyle(this.canvas);
    const [ink, soft, mark] = [style.getPropertyValue('--primary'), style.getPropertyValue('--line'), style.getPropertyValue('--focus')];
    const x = (second: number): number => ((second - this.from) / (this.to - this.from)) * width;
    g.clearRect(0, 0, width, HEIGHT);
    g.globalAlpha = 0.18;
    g.fillStyle = mark;
    g.fillRect(x(this.window.from), 0, Math.max(2, x(this.window.to) - x(this.window.from)), HEIGHT - 16);
    g.globalAlpha = 1;
    const most = Math.max(1, ...this.bins.map((b) => b.all));
    const step = width / this.bins.length;
    // (By the square root: a single photo before the incident is not to vanish beside thousands after it.)
    const high = (n: number): number => (n === 0 ? 0 : Math.max(2, Math.sqrt(n / most) * (HEIGHT - 22)));
    this.bins.forEach((b, n) => {
      g.fillStyle = soft;
      g.fillRect(n * step, HEIGHT - 16 - high(b.all), Math.max(1, step - 1), high(b.all));
      g.fillStyle = ink;
      g.fillRect(n * step, HEIGHT - 16 - high(b.open), Math.max(1, step - 1), high(b.open));
    });
    const brush = this.drag ? { from: Math.min(this.drag.start, this.drag.now), to: Math.max(this.drag.start, this.drag.now) } : this.brush;
    if (brush) {
      g.globalAlpha = 0.2;
      g.fillStyle = ink;
      g.fillRect(x(brush.from), 0, Math.max(2, x(brush.to) - x(brush.from)), HEIGHT - 16);
      g.globalAlpha = 1;
    }
    g.fillStyle = style.color;
    g.font = '11px system-ui, sans-serif';
    g.textBaseline = 'bottom';
    const marks = Math.max(2, Math.floor(width / 150));
    for (let n = 0; n < marks; n++) {
      const second = this.from + ((this.to - this.from) * n) / (marks - 1);
      g.textAlign = n === 0 ? 'left' : n === marks - 1 ? 'right' : 'center';
      g.fillText(this.zone.local(Math.round(second)).slice(5, 16).replace('T', ' '), x(second), HEIGHT);
    }
  }
}

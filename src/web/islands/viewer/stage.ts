// A picture or a clip on its stage: zoomed, moved and turned for the eye alone. The file is never changed.

export interface View { zoom: number; x: number; y: number; turn: number }

const ZOOM_MAX = 32;

export class Stage {
  view: View = { zoom: 1, x: 0, y: 0, turn: 0 };
  private drag: { x: number; y: number; id: number } | null = null;
  /** Whether a pointer moves the picture. */
  moves = true;

  constructor(readonly box: HTMLElement, private readonly turn: HTMLElement, private readonly changed: (view: View) => void) {
    box.addEventListener('wheel', (e) => {
      if (!e.ctrlKey && this.view.zoom === 1 && e.deltaY > 0) return;
      e.preventDefault();
      this.zoom(Math.exp(-e.deltaY / 400), this.point(e));
    }, { passive: false });
    box.addEventListener('pointerdown', (e) => {
      if (!this.moves || (e.target as HTMLElement).closest('video') && this.view.zoom === 1) return;
      this.drag = { x: e.clientX, y: e.clientY, id: e.pointerId };
    });
    box.addEventListener('pointermove', (e) => {
      if (!this.drag || this.view.zoom === 1) return;
      if (!box.hasPointerCapture(e.pointerId)) box.setPointerCapture(e.pointerId);
      this.by((e.clientX - this.drag.x) / box.clientWidth, (e.clientY - this.drag.y) / box.clientHeight);
      this.drag = { ...this.drag, x: e.clientX, y: e.clientY };
    });
    for (const end of ['pointerup', 'pointercancel'] as const) box.addEventListener(end, () => { this.drag = null; });
  }

  get media(): HTMLImageElement | HTMLVideoElement | null { return this.turn.querySelector('img, video'); }

  /** A point of the stage, in shares of it from its middle. */
  private point(e: { clientX: number; clientY: number }): [number, number] {
    const r = this.box.getBoundingClientRect();
    return [(e.clientX - r.left) / r.width - 0.5, (e.clientY - r.top) / r.height - 0.5];
  }

  /** Larger or smaller, around a point that stays where it is. */
  zoom(factor: number, [px, py]: [number, number] = [0, 0]): void {
    const zoom = Math.min(ZOOM_MAX, Math.max(1, this.view.zoom * factor));
    const share = zoom / this.view.zoom;
    this.set({ ...this.view, zoom, x: px - (px - this.view.x) * share, y: py - (py - this.view.y) * share });
  }

  by(x: number, y: number): void { this.set({ ...this.view, x: this.view.x + x, y: this.view.y + y }); }

  fit(): void { this.set({ zoom: 1, x: 0, y: 0, turn: this.view.turn }); }

  rotate(): void { this.set({ ...this.view, turn: (this.view.turn + 90) % 360 }); }

  /** One pixel of the picture on one of the screen. */
  full(): void {
    const media = this.media;
    const [natural, shown] = media instanceof HTMLVideoElement ? [media.videoWidth, media.clientWidth] : [media?.naturalWidth ?? 0, media?.clientWidth ?? 0];
    if (natural > 0 && shown > 0) this.zoom(Math.max(1, natural / shown / (devicePixelRatio || 1)) / this.view.zoom);
  }

  set(view: View, told = true): void {
    // Something of the picture always stays in sight.
    const most = view.zoom / 2;
    this.view = view.zoom === 1 ? { ...view, x: 0, y: 0 } : { ...view, x: Math.max(-most, Math.min(most, view.x)), y: Math.max(-most, Math.min(most, view.y)) };
    const v = this.view;
    this.turn.style.transform = `translate(${v.x * 100}%, ${v.y * 100}%) scale(${v.zoom}) rotate(${v.turn}deg)`;
    if (told) this.changed(v);
  }
}

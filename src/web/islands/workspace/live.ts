// What happens meanwhile: one stream of the server's events while the page is in use, and who looks at which content. A page that nobody
// uses asks nothing, so that it is signed out like any other.
import { ask } from './server';

export interface Pulse {
  changed_at: number;
  all: number;
  waiting: number;
  oldest: number | null;
  arrived: number;
  minutes: number;
  looking: [number, string][];
}

const UNUSED_MS = 10 * 60_000;
/** How long one rests on a content before it counts as looked at; how often that is said again. */
const REST_MS = 700;
const RENEW_MS = 60_000;

/** Lets go of a content, as the page goes away: colleagues need not wait a quarter of an hour. */
export function leave(api: string, family: number): void {
  navigator.sendBeacon(`${api}/leases`, new Blob([JSON.stringify({ families: [], let_go: [family] })], { type: 'application/json' }));
}

/** Whether somebody used the page a moment ago. */
export class Use {
  private last = Date.now();

  constructor(used: () => void = () => undefined) {
    for (const event of ['keydown', 'pointerdown', 'pointermove', 'wheel']) {
      document.addEventListener(event, () => { this.last = Date.now(); used(); }, { passive: true });
    }
  }

  get lately(): boolean { return document.visibilityState === 'visible' && Date.now() - this.last < UNUSED_MS; }
}

export class Live {
  private stream: EventSource | null = null;
  private family = 0;
  private said = 0;
  private saidAt = 0;
  private timer = 0;
  private stays = false;
  /** Colleagues by the families that they have before them. */
  looking = new Map<number, string>();

  constructor(private readonly api: string, private readonly told: (pulse: Pulse) => void) {
    const use = new Use(() => this.open());
    // (A page in the background says nothing: another of the same person's may have something else before them.)
    document.addEventListener('visibilitychange', () => { if (document.visibilityState === 'visible') { this.open(); void this.say(); } else this.close(); });
    window.addEventListener('pagehide', () => { this.close(); if (this.said > 0 && !this.stays) leave(this.api, this.said); });
    setInterval(() => { if (!use.lately) this.close(); else if (Date.now() - this.saidAt > RENEW_MS) void this.say(); }, 5_000);
    this.open();
  }

  private open(): void {
    if (this.stream || document.visibilityState !== 'visible') return;
    this.stream = new EventSource(`${this.api}/events`);
    this.stream.addEventListener('pulse', (e) => {
      const pulse = JSON.parse((e as MessageEvent<string>).data) as Pulse;
      this.looking = new Map(pulse.looking);
      this.told(pulse);
    });
    // (A stream that was refused is closed for good: the next key or click opens another.)
    this.stream.addEventListener('error', () => { if (this.stream?.readyState === EventSource.CLOSED) this.stream = null; });
  }

  private close(): void {
    this.stream?.close();
    this.stream = null;
  }

  /** The page is left for the exhibit's own, which goes on having its content. */
  stay(): void { this.stays = true; }

  /** This content is before somebody now. */
  at(family: number): void {
    this.family = family;
    clearTimeout(this.timer);
    if (family !== this.said) this.timer = window.setTimeout(() => void this.say(), REST_MS);
  }

  /** Takes the content from whoever has it. */
  async over(family: number): Promise<void> {
    this.family = family;
    await ask(`${this.api}/leases`, { families: [family], over: true, let_go: this.said > 0 && this.said !== family ? [this.said] : [] });
    this.looking.delete(family);
    [this.said, this.saidAt] = [family, Date.now()];
  }

  private async say(): Promise<void> {
    const [family, before] = [this.family, this.said];
    if (family === 0) return;
    [this.said, this.saidAt] = [family, Date.now()];
    try {
      await ask(`${this.api}/leases`, { families: this.looking.has(family) ? [] : [family], let_go: before > 0 && before !== family ? [before] : [] });
    } catch { this.said = 0; /* said again at the next content; the page tells by itself that the server is away */ }
  }
}

// Times of the incident's zone, which is the only one that the workspace shows.

export class Zone {
  private readonly parts: Intl.DateTimeFormat;
  private readonly memo = new Map<number, number>();

  constructor(readonly name: string) {
    this.parts = new Intl.DateTimeFormat('en-GB', {
      timeZone: name, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
    });
  }

  /** Seconds east of UTC at a moment. */
  offset(seconds: number): number {
    const hour = Math.floor(seconds / 900);
    let known = this.memo.get(hour);
    if (known === undefined) {
      const p = Object.fromEntries(this.parts.formatToParts(hour * 900_000).map((x) => [x.type, Number(x.value)]));
      known = Date.UTC(p['year']!, p['month']! - 1, p['day'], p['hour'], p['minute'], p['second']) / 1000 - hour * 900;
      this.memo.set(hour, known);
    }
    return known;
  }

  /** `2026-07-14T22:10:05`, as clocks there show it. */
  local(seconds: number): string {
    return new Date((seconds + this.offset(seconds)) * 1000).toISOString().slice(0, 19);
  }

  /** `14.07. 22:10:05` in figures that need no language. */
  short(seconds: number): string {
    return this.local(seconds).replace('T', ' ');
  }

  /** The moment at which clocks there show this. Of an hour that comes twice, the first. */
  moment(local: string): number | null {
    const wall = Date.parse(`${local.length === 16 ? `${local}:00` : local}Z`);
    if (Number.isNaN(wall)) return null;
    const guess = wall / 1000 - this.offset(wall / 1000);
    return wall / 1000 - this.offset(guess);
  }

  /** RFC 3339 with the offset there. */
  rfc(seconds: number): string {
    const offset = this.offset(seconds);
    const sign = offset < 0 ? '-' : '+';
    const [h, m] = [Math.floor(Math.abs(offset) / 3600), Math.floor((Math.abs(offset) % 3600) / 60)];
    return `${this.local(seconds)}${sign}${String(h).padStart(2, '0')}:${String(m).padStart(2, '0')}`;
  }
}

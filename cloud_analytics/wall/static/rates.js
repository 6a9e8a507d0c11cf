// What a camera has cost lately: bytes and frames by the time at which the cloud received them.
//
// Times are milliseconds since 1970 on the cloud's clock. Law: nothing older than KEPT stays.

export const KEPT = 70_000;
export const SHORT = 4_000;
const MOST_FRAMES = 5_000;

export class Rates {
  constructor() {
    this.frames = [];
    this.delays = [];
  }

  add(frame) {
    this.frames.push({ at: frame.received_us / 1000, bytes: frame.bytes, groups: frame.groups });
    const last = this.frames.at(-1).at;
    while (this.frames.length > MOST_FRAMES || this.frames[0].at < last - KEPT) this.frames.shift();
  }

  addDelay(at, milliseconds) {
    this.delays.push({ at, milliseconds });
    while (this.delays.length > 100 || this.delays[0].at < at - 2 * SHORT) this.delays.shift();
  }

  // The median of the delays of the last seconds; null where there are none.
  delay(now) {
    const found = this.delays.filter((delay) => delay.at > now - 2 * SHORT).map((delay) => delay.milliseconds).sort((a, b) => a - b);
    return found.length > 0 ? found[found.length >> 1] : null;
  }

  // Of the `span` milliseconds before `now`: frames, bytes, bytes by group; header bytes are in `bytes` alone.
  sum(now, span) {
    const total = { frames: 0, bytes: 0, groups: {} };
    for (let index = this.frames.length - 1; index >= 0; index -= 1) {
      const frame = this.frames[index];
      if (frame.at <= now - span) break;
      if (frame.at > now) continue;
      total.frames += 1;
      total.bytes += frame.bytes;
      for (const [group, bytes] of Object.entries(frame.groups)) total.groups[group] = (total.groups[group] ?? 0) + bytes;
    }
    return total;
  }

  // The usual pause between frames, in milliseconds; null before there are three.
  get pause() {
    const recent = this.frames.slice(-12);
    return recent.length < 3 ? null : (recent.at(-1).at - recent[0].at) / (recent.length - 1);
  }
}

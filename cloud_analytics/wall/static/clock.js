// The cloud's clock as far as the page can tell: the best of the last pings, each good to half its round trip.
//
// Law: delays do not depend on this device's own clock being right.

const KEPT = 8;

export class Clock {
  constructor() {
    this.reset();
  }

  reset() {
    this.samples = [];
  }

  // sent: performance.now() at the ping. cloudMicroseconds: the cloud's clock when it answered.
  take(sent, cloudMicroseconds) {
    const received = performance.now();
    this.samples.push({ trip: received - sent, ahead: cloudMicroseconds / 1000 - (sent + received) / 2 });
    if (this.samples.length > KEPT) this.samples.shift();
    this.best = this.samples.reduce((best, sample) => (sample.trip < best.trip ? sample : best));
  }

  get isSet() {
    return this.samples.length > 0;
  }

  // Milliseconds since 1970 on the cloud's clock; this device's until the first answer.
  now() {
    return this.isSet ? performance.now() + this.best.ahead : Date.now();
  }
}

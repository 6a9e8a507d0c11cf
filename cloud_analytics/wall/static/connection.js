// The WebSocket to the cloud: opened again with growing, jittered pauses when it breaks; the page's wants go with it.
//
//   binary message = 4 bytes length of the JSON header (big endian), header, the files one after another

import { Clock } from "./clock.js";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
const PING_PAUSE = 4_000;
const SILENCE = 15_000;
const SEEN_PAUSE = 100;

export class Connection {
  // token: shown as a protocol, the one thing that a page can add to its asking; "" where there is none.
  constructor(address, token, told) {
    this.address = address;
    this.protocols = token ? ["taxon.wall", `taxon.token.${token}`] : ["taxon.wall"];
    this.told = told;
    this.clock = new Clock();
    this.socket = null;
    this.wants = null;
    this.failures = 0;
    this.timer = 0;
    this.seen = 0;
    this.seenTimer = 0;
    window.addEventListener("online", () => this.retry());
    document.addEventListener("visibilitychange", () => document.hidden || this.retry());
    setInterval(() => this.look(), PING_PAUSE);
  }

  get isOpen() {
    return this.socket !== null && this.socket.readyState === WebSocket.OPEN;
  }

  open() {
    clearTimeout(this.timer);
    if (this.failures === 0) this.told.state("connecting", "");
    const socket = new WebSocket(this.address, this.protocols);
    this.socket = socket;
    this.heard = performance.now();
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => {
      this.clock.reset();
      this.seen = 0;
      this.told.state("open", "");
      this.say(this.wants);
      this.ping();
    });
    socket.addEventListener("message", (event) => this.take(event.data));
    socket.addEventListener("close", (event) => socket === this.socket && this.closed(event.reason));
  }

  retry() {
    if (this.socket === null) this.open();
  }

  // All switches at once; kept, so that a new connection begins with them.
  want(wants) {
    this.wants = { type: "want", ...wants };
    this.say(this.wants);
  }

  say(message) {
    if (this.isOpen && message !== null) this.socket.send(JSON.stringify(message));
  }

  ping() {
    this.say({ type: "ping", at: performance.now() });
  }

  // Pings; and lets a connection go over which nothing has come for long, since a cut cable closes nothing.
  look() {
    if (this.socket === null) return;
    if (performance.now() - this.heard > SILENCE && !document.hidden) {
      const stuck = this.socket;
      this.closed("the cloud does not answer");
      stuck.close();
    } else {
      this.ping();
    }
  }

  take(data) {
    this.heard = performance.now();
    this.failures = 0;
    if (typeof data !== "string") {
      this.takePictures(data);
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "pong") this.clock.take(message.at, message.now_us);
    else this.told.message(message);
  }

  // The cloud sends further pictures as far as the page is done with the earlier ones.
  async takePictures(data) {
    const socket = this.socket;
    const length = new DataView(data).getUint32(0);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    let offset = 4 + length;
    const files = header.pictures.map((picture) => {
      const file = new Blob([new Uint8Array(data, offset, picture.bytes)], { type: "image/png" });
      offset += picture.bytes;
      return file;
    });
    try {
      await this.told.pictures(header, files);
    } finally {
      if (socket === this.socket) this.done(data.byteLength);
    }
  }

  done(bytes) {
    this.seen += bytes;
    this.seenTimer ||= setTimeout(() => {
      this.seenTimer = 0;
      this.say({ type: "seen", bytes: this.seen });
    }, SEEN_PAUSE);
  }

  closed(reason) {
    this.socket = null;
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.failures) * (0.5 + Math.random() / 2);
    this.failures += 1;
    const why = reason ? ` (${reason})` : "";
    this.told.state("closed", `The connection to the cloud is lost${why}. What you see is old. Trying again in ${Math.ceil(pause / 1000)} s.`);
    this.timer = setTimeout(() => this.open(), pause);
  }
}

// A camera's card: its state, its figures and curve, a tile for each dense task, a list for each class task.

import { ClassList } from "./classes.js";
import { Curve, classOf } from "./curve.js";
import { DenseTile } from "./dense.js";
import { Rates, SHORT } from "./rates.js";
import { inDelay, inDuration, inKbits, inTimeOfDay, withUnit } from "./text.js";

const SILENT_AFTER = 5_000;
const COLUMNS = 2;

export class Card {
  constructor(camera, switches) {
    this.camera = camera;
    this.switches = switches;
    this.element = document.querySelector("#camera").content.cloneNode(true).firstElementChild;
    this.element.dataset.camera = camera;
    this.element.querySelector("h2").textContent = camera;
    this.element.setAttribute("aria-label", `Camera ${camera}`);
    this.curve = new Curve(this.element.querySelector(".curve"));
    this.rates = new Rates();
    this.tiles = new Map();
    this.lists = new Map();
    this.groups = [];
    this.state = { connected: true, edge: "", last_received_us: 0 };
    this.lastReceived = 0;
    this.expectedSince = performance.now();
    this.kbits = 0;
    this.stateWords = "";
  }

  build(tasks) {
    const turn = (task, on) => this.switches.set(this.camera, task, on);
    this.groups = [...new Set(tasks.map((task) => task.group))];
    this.tiles = new Map(tasks.filter((task) => task.kind === "dense").map((task) => [task.name, new DenseTile(this.camera, task, turn)]));
    this.lists = new Map(tasks.filter((task) => task.kind === "classes").map((task) => [task.name, new ClassList(this.camera, task, turn)]));
    const tiles = [...this.tiles.values()];
    const place = this.element.querySelector(".tiles");
    place.replaceChildren(...tiles.map((tile) => tile.element));
    tiles.forEach((tile, index) => {
      // A legend stands under the row of its picture.
      const end = Math.min(tiles.length, index + COLUMNS - (index % COLUMNS));
      if (tile.legend) tiles[end - 1].element.after(tile.legend.element);
    });
    this.element.querySelector(".class-lists").replaceChildren(...[...this.lists.values()].map((list) => list.element));
    this.showSwitches();
  }

  showSwitches() {
    const wanted = this.switches.anyOn(this.camera);
    if (wanted && !this.wanted) this.expectedSince = performance.now();
    this.wanted = wanted;
    for (const [task, part] of [...this.tiles, ...this.lists]) part.show(this.switches.isOn(this.camera, task));
  }

  takeState(state) {
    if (state.connected && !this.state.connected) this.expectedSince = performance.now();
    this.state = state;
    this.lastReceived = Math.max(this.lastReceived, state.last_received_us / 1000);
    this.element.querySelector(".edge").textContent = state.edge ? `edge ${state.edge}` : "";
  }

  takeFrames(message, clock) {
    for (const frame of message.frames) {
      this.rates.add(frame);
      this.lastReceived = Math.max(this.lastReceived, frame.received_us / 1000);
    }
    const last = message.frames.at(-1);
    if (last !== undefined) {
      for (const tile of this.tiles.values()) tile.shape(last.width, last.height);
      const refused = this.element.querySelector(".refused");
      refused.hidden = last.error === "";
      refused.textContent = last.error;
      // With pictures, the delay is taken when they are drawn.
      if (clock.isSet && ![...this.tiles.values()].some((tile) => tile.on)) this.takeDelay(last.capture_us, clock);
    }
    for (const [task, { classes }] of Object.entries(message.classes)) this.lists.get(task)?.fill(classes);
  }

  async takePictures(pictures, files, clock) {
    const drawn = await Promise.all(pictures.map((picture, index) => this.tiles.get(picture.task)?.draw(picture, files[index]) ?? false));
    const last = pictures.findLast((_, index) => drawn[index]);
    if (last !== undefined && clock.isSet) this.takeDelay(last.capture_us, clock);
  }

  takeDelay(captureMicroseconds, clock) {
    const now = clock.now();
    this.rates.addDelay(now, now - captureMicroseconds / 1000);
  }

  // Figures, curve and state; returns the state's name.
  refresh(clock, isOpen) {
    const now = clock.now();
    const recent = this.rates.sum(now, SHORT);
    this.kbits = (8 * recent.bytes) / SHORT;
    this.figure("bytes", recent.frames > 0 ? withUnit(Math.round(recent.bytes / recent.frames).toString(), "B") : ["–"]);
    this.figure("rate", [inKbits(this.kbits)]);
    this.figure("frames", [(recent.frames / (SHORT / 1000)).toFixed(1)]);
    this.figure("delay", inDelay(this.rates.delay(now)));
    this.showGroups(recent);
    this.curve.draw(this.rates, this.groups, now);
    const [name, words] = isOpen ? this.judge(now, recent.frames) : ["waiting", "Not connected"];
    this.stateWords = words;
    const line = this.element.querySelector(".state");
    line.dataset.state = name;
    setText(line.querySelector(".words"), words);
    this.element.classList.toggle("is-stale", name === "silent" || name === "down" || !isOpen);
    return name;
  }

  judge(now, recentFrames) {
    const last = this.lastReceived > 0 ? inTimeOfDay(this.lastReceived) : null;
    if (!this.state.connected) return ["down", last ? `Link down, last frame ${last}` : "Link down"];
    if (!this.wanted) {
      return recentFrames > 0 ? ["off", "Nothing subscribed here; others keep it coding"] : ["off", "Nothing subscribed: no bits"];
    }
    const patience = Math.max(SILENT_AFTER, 4 * (this.rates.pause ?? 0));
    const quiet = Math.min(now - this.lastReceived, performance.now() - this.expectedSince);
    if (quiet > patience) return ["silent", last ? `Silent since ${last} (${inDuration(now - this.lastReceived)})` : "Silent so far"];
    return recentFrames > 0 || now - this.lastReceived <= patience ? ["live", "Live"] : ["waiting", "Waiting for frames"];
  }

  showGroups(recent) {
    const place = this.element.querySelector(".groups");
    while (place.children.length < this.groups.length) {
      const entry = document.createElement("span");
      entry.append(document.createElement("i"), "", document.createElement("b"));
      place.append(entry);
    }
    for (const [index, group] of this.groups.entries()) {
      const [mark, words, share] = place.children[index].childNodes;
      mark.className = classOf(group);
      words.textContent = `${group} `;
      place.children[index].dataset.group = group;
      const bytes = recent.groups[group] ?? 0;
      setText(share, bytes > 0 ? `${Math.round(bytes / recent.frames)} B` : recent.frames > 0 || !this.wanted ? "not coded" : "–");
    }
  }

  figure(name, content) {
    this.element.querySelector(`[data-figure="${name}"]`).replaceChildren(...content);
  }
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Which tasks are on, of which camera. What is off is kept, so that a new task, or a new camera, begins switched on.
//
// Law: wants() says all there is to say; it is sent whole, and the same again after the connection was lost.

const PLACE = "taxon.wall.off";

export class Switches {
  constructor(changed) {
    this.changed = changed;
    this.tasks = [];
    this.known = [];
    this.offForNew = new Set();
    this.off = new Map();
    this.restore();
  }

  offer(tasks) {
    this.tasks = tasks;
  }

  // The cameras that are there; one that is seen for the first time takes over what is off for new ones.
  know(cameras) {
    this.known = cameras;
    const fresh = cameras.filter((camera) => !this.off.has(camera));
    for (const camera of fresh) this.off.set(camera, new Set(this.offForNew));
    if (fresh.length > 0) this.told();
  }

  isOn(camera, task) {
    return !(this.off.get(camera) ?? this.offForNew).has(task);
  }

  anyOn(camera) {
    return this.tasks.some((task) => this.isOn(camera, task));
  }

  set(camera, task, on) {
    turn(this.off.get(camera) ?? this.offForNew, task, on);
    this.told();
  }

  setAll(task, on) {
    for (const off of [this.offForNew, ...this.off.values()]) turn(off, task, on);
    this.told();
  }

  // "on", "off" or "mixed".
  stateOfAll(task) {
    const states = new Set(this.known.map((camera) => this.isOn(camera, task)));
    if (states.size === 0) states.add(!this.offForNew.has(task));
    if (states.size > 1) return "mixed";
    return states.has(true) ? "on" : "off";
  }

  wants() {
    const on = (off) => this.tasks.filter((task) => !off.has(task));
    const cameras = {};
    for (const camera of this.known) cameras[camera] = on(this.off.get(camera));
    return { new_cameras: on(this.offForNew), cameras };
  }

  told() {
    this.keep();
    this.changed();
  }

  // For a reload in this tab; a browser that keeps nothing is no reason to fail.
  keep() {
    try {
      const cameras = [...this.off].map(([camera, off]) => [camera, [...off]]);
      sessionStorage.setItem(PLACE, JSON.stringify({ new: [...this.offForNew], cameras }));
    } catch {
      // Nothing depends on it.
    }
  }

  restore() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(PLACE));
      this.offForNew = new Set(kept.new);
      this.off = new Map(kept.cameras.map(([camera, off]) => [camera, new Set(off)]));
    } catch {
      this.offForNew = new Set();
      this.off = new Map();
    }
  }
}

function turn(off, task, on) {
  if (on) off.delete(task);
  else off.add(task);
}

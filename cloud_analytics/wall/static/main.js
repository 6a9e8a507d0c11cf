// The wall: ties the connection to the cards.
//
//   connection --messages--> cards, totals      switches --want--> connection
//
// Law: what the page shows as switched on is what it has asked for, also after the connection was lost.

import { Card } from "./card.js";
import { Connection } from "./connection.js";
import { inKbits, inWords } from "./text.js";
import { Switches } from "./switches.js";
import { TaskChips } from "./chips.js";

const REFRESH_MILLISECONDS = 500;

const one = (selector) => document.querySelector(selector);

// From the address (`/#token=...`), which it leaves at once; a fragment is never sent. It lasts as long as the tab.
function shownToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given !== null) {
    sessionStorage.setItem("taxon.token", given.trim());
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem("taxon.token") ?? "";
}

class Wall {
  constructor() {
    this.cards = new Map();
    this.tasks = [];
    this.switches = new Switches(() => this.switched());
    this.chips = new TaskChips(one(".chips"));
    this.connection = new Connection(`${location.origin.replace(/^http/, "ws")}/wall/socket`, shownToken(), {
      state: (state, detail) => this.showConnection(state, detail),
      message: (message) => this.take(message),
      pictures: (header, files) => this.cards.get(header.camera)?.takePictures(header.pictures, files, this.connection.clock),
    });
    this.spoken = "";
    one(".retry").addEventListener("click", () => this.connection.retry());
    setInterval(() => this.refresh(), REFRESH_MILLISECONDS);
  }

  take(message) {
    switch (message.type) {
      case "tasks":
        this.takeTasks(message.tasks);
        break;
      case "cameras":
        this.takeCameras(message);
        break;
      case "frames":
        this.cards.get(message.camera)?.takeFrames(message, this.connection.clock);
        break;
      case "lost":
        one('[data-total="lost"]').textContent = message.frames;
        one('[data-total="lost"]').parentElement.hidden = message.frames === 0;
        break;
      case "wanted":
        // What is subscribed to by now. A camera that nobody has seen yet is reached by a wish for all alone.
        one(".not-looking").hidden = message.of_all.length > 0;
        break;
    }
  }

  takeTasks(tasks) {
    this.tasks = tasks;
    this.switches.offer(tasks.map((task) => task.name));
    this.chips.build(tasks, (task, on) => this.switches.setAll(task, on));
    one(".all-tasks").hidden = tasks.length === 0;
    for (const card of this.cards.values()) card.build(tasks);
    this.switched();
  }

  takeCameras(message) {
    const place = one(".cameras");
    const shown = new Set(message.cameras.map((state) => state.camera));
    for (const [camera, card] of this.cards) {
      if (!shown.has(camera)) {
        card.element.remove();
        this.cards.delete(camera);
      }
    }
    for (const [position, state] of message.cameras.entries()) {
      let card = this.cards.get(state.camera);
      if (card === undefined) {
        card = new Card(state.camera, this.switches);
        card.build(this.tasks);
        this.cards.set(state.camera, card);
        place.insertBefore(card.element, place.children[position] ?? null);
      }
      card.takeState(state);
    }
    this.switches.know([...shown]);
    one(".nobody").hidden = shown.size > 0;
    const rest = one(".not-shown");
    rest.hidden = message.not_shown === 0;
    rest.textContent = `and ${inWords(message.not_shown, "further camera")} that this page has no room for`;
    this.refresh();
  }

  switched() {
    this.connection.want(this.switches.wants());
    this.chips.show((task) => this.switches.stateOfAll(task));
    for (const card of this.cards.values()) card.showSwitches();
    this.refresh();
  }

  refresh() {
    const { clock, isOpen } = this.connection;
    let live = 0;
    let rate = 0;
    const states = [];
    for (const [camera, card] of this.cards) {
      const state = card.refresh(clock, isOpen);
      live += state === "live" ? 1 : 0;
      rate += card.kbits;
      if (state === "silent" || state === "down") states.push(`${camera}: ${card.stateWords.replace(/ \(.*\)$/, "")}`);
    }
    one('[data-total="live"]').textContent = `${live} of ${this.cards.size}`;
    one('[data-total="rate"]').textContent = `${inKbits(rate)} kbit/s`;
    this.speak(states.join("; "));
  }

  // A reader of the screen hears of troubles and of their end, not of every second.
  speak(words) {
    if (words === this.spoken) return;
    one(".spoken").textContent = words || "All cameras live";
    this.spoken = words;
  }

  showConnection(state, detail) {
    const line = one(".connection");
    line.dataset.state = state;
    line.querySelector(".words").textContent = { open: "Connected", connecting: "Connecting to the cloud", closed: "Not connected" }[state];
    const banner = one(".banner");
    const told = banner.querySelector(".words");
    if (banner.hidden !== (detail === "")) banner.hidden = detail === "";
    if (told.textContent !== detail) told.textContent = detail;
    document.body.classList.toggle("is-cut", state !== "open");
    if (state !== "open") this.refresh();
  }
}

new Wall().connection.open();

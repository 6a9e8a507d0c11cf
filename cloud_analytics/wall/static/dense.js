// The tile of a dense task: its switch, its picture stretched back to the camera's own shape, its legend.

import { inPercent, labelOf, titleOf } from "./text.js";
import { newSwitch } from "./chips.js";

const SHOWN_SHARE = 0.005;
const SVG = "http://www.w3.org/2000/svg";

export class DenseTile {
  constructor(camera, task, turn) {
    this.task = task.name;
    this.element = document.querySelector("#dense").content.cloneNode(true).firstElementChild;
    this.element.dataset.task = task.name;
    const isFaint = task.name === "principal_curvature";
    this.element.classList.toggle("times-four", isFaint);
    this.canvas = this.element.querySelector("canvas");
    this.context = this.canvas.getContext("2d", { willReadFrequently: task.classes.length > 0 });
    this.canvas.setAttribute("aria-label", `${titleOf(task.name)} of ${camera}`);
    this.words = this.element.querySelector(".off-words");
    this.switch = newSwitch(titleOf(task.name) + (isFaint ? " ×4" : ""), `${titleOf(task.name)} of ${camera}`);
    this.switch.input.addEventListener("change", () => turn(task.name, this.switch.input.checked));
    this.element.querySelector("header").append(this.switch.element);
    this.legend = task.classes.length > 0 ? new Legend(titleOf(task.name), task.classes) : null;
    this.sequence = -1;
    this.hasPicture = false;
  }

  show(on) {
    this.on = on;
    this.switch.input.checked = on;
    this.element.classList.toggle("is-off", !on);
    if (!on) this.forget();
    this.element.classList.toggle("is-waiting", on && !this.hasPicture);
    this.words.textContent = on ? "waiting for a picture" : "off";
  }

  forget() {
    this.hasPicture = false;
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.legend?.forget();
  }

  // width, height: of the camera's picture.
  shape(width, height) {
    this.element.style.setProperty("--aspect", `${width} / ${height}`);
  }

  // Draws; whether it was drawn, since newer ones may have come in between, or the task may be off by now.
  async draw(picture, file) {
    if (!this.on || picture.sequence < this.sequence) return false;
    this.sequence = picture.sequence;
    const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    if (!this.on || picture.sequence !== this.sequence) {
      bitmap.close();
      return false;
    }
    if (this.canvas.width !== bitmap.width || this.canvas.height !== bitmap.height) {
      this.canvas.width = bitmap.width;
      this.canvas.height = bitmap.height;
    }
    this.context.drawImage(bitmap, 0, 0);
    bitmap.close();
    this.canvas.dataset.sequence = picture.sequence;
    if (!this.hasPicture) {
      this.hasPicture = true;
      this.element.classList.remove("is-waiting");
    }
    this.legend?.count(this.context.getImageData(0, 0, this.canvas.width, this.canvas.height).data);
    return true;
  }
}

// Every class with its colour and the share of the pixels that it has; those that are there stand out.
class Legend {
  constructor(title, classes) {
    this.element = document.createElement("ul");
    this.element.className = "legend";
    this.element.setAttribute("aria-label", `Classes of ${title}`);
    this.entries = new Map();
    for (const { label, colour } of classes) {
      const item = document.createElement("li");
      const share = document.createElement("b");
      item.append(swatch(colour), labelOf(label), share);
      this.element.append(item);
      this.entries.set(parseInt(colour.slice(1), 16), { item, share });
    }
  }

  count(pixels) {
    const found = new Map();
    for (let at = 0; at < pixels.length; at += 4) {
      const colour = (pixels[at] << 16) | (pixels[at + 1] << 8) | pixels[at + 2];
      found.set(colour, (found.get(colour) ?? 0) + 1);
    }
    for (const [colour, entry] of this.entries) {
      const share = (4 * (found.get(colour) ?? 0)) / pixels.length;
      entry.item.classList.toggle("present", share >= SHOWN_SHARE);
      entry.share.textContent = share >= SHOWN_SHARE ? inPercent(Math.max(0.01, Math.round(100 * share) / 100)).replace(".0", "") : "";
    }
  }

  forget() {
    for (const { item, share } of this.entries.values()) {
      item.classList.remove("present");
      share.textContent = "";
    }
  }
}

function swatch(colour) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 1 1");
  svg.setAttribute("aria-hidden", "true");
  const square = document.createElementNS(SVG, "rect");
  for (const [name, value] of Object.entries({ width: "1", height: "1", fill: colour })) square.setAttribute(name, value);
  svg.append(square);
  return svg;
}

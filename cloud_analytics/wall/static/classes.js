// The list of a class task: its switch and its most probable classes, in words, with their probabilities.

import { inPercent, labelOf, titleOf } from "./text.js";
import { newSwitch } from "./chips.js";

export class ClassList {
  constructor(camera, task, turn) {
    this.task = task.name;
    this.element = document.querySelector("#classes").content.cloneNode(true).firstElementChild;
    this.element.dataset.task = task.name;
    this.list = this.element.querySelector("ol");
    this.list.setAttribute("aria-label", `${titleOf(task.name)} of ${camera}, most probable first`);
    this.switch = newSwitch(titleOf(task.name), `${titleOf(task.name)} of ${camera}`);
    this.switch.input.addEventListener("change", () => turn(task.name, this.switch.input.checked));
    this.element.querySelector("header").append(this.switch.element);
  }

  show(on) {
    this.on = on;
    this.switch.input.checked = on;
    this.element.classList.toggle("is-off", !on);
    if (!on) this.list.replaceChildren();
  }

  fill(classes) {
    if (!this.on) return;
    while (this.list.children.length > classes.length) this.list.lastElementChild.remove();
    while (this.list.children.length < classes.length) {
      const item = document.createElement("li");
      item.append(document.createElement("span"), document.createElement("b"));
      this.list.append(item);
    }
    for (const [index, { label, probability }] of classes.entries()) {
      const item = this.list.children[index];
      const [words, share] = item.children;
      words.textContent = labelOf(label);
      words.title = labelOf(label);
      share.textContent = inPercent(probability);
      item.style.setProperty("--share", probability);
    }
  }
}

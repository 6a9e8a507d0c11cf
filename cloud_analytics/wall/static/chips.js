// The switches of one task for all cameras at once; "mixed" where cameras differ.

import { titleOf } from "./text.js";

export class TaskChips {
  constructor(place) {
    this.place = place;
    this.inputs = new Map();
  }

  build(tasks, turn) {
    this.inputs.clear();
    this.place.replaceChildren(
      ...tasks.map((task) => {
        const chip = newSwitch(titleOf(task.name), `${titleOf(task.name)} of all cameras`);
        chip.input.addEventListener("change", () => turn(task.name, chip.input.checked));
        this.inputs.set(task.name, chip.input);
        return chip.element;
      }),
    );
  }

  show(stateOf) {
    for (const [task, input] of this.inputs) {
      const state = stateOf(task);
      input.checked = state === "on";
      input.indeterminate = state === "mixed";
    }
  }
}

// A switch with its words; `spoken` says for which camera it is.
export function newSwitch(title, spoken) {
  const element = document.querySelector("#chip").content.cloneNode(true).firstElementChild;
  const input = element.querySelector("input");
  element.querySelector(".title").textContent = title;
  input.setAttribute("aria-label", spoken);
  return { element, input };
}

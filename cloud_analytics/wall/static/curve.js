// The small curve: kbit/s of the last minute, the groups stacked, drawn as SVG paths.
//
//   Rates --a sum over SHORT at every second--> one area a group

import { SHORT } from "./rates.js";
import { inKbits } from "./text.js";

const WIDTH = 240;
const HEIGHT = 52;
// Room for the scale's number.
const HEADROOM = 13;
export const SECONDS = 60;
const SVG = "http://www.w3.org/2000/svg";

export class Curve {
  constructor(figure) {
    this.svg = figure.querySelector("svg");
    this.scale = figure.querySelector(".scale");
    this.areas = new Map();
  }

  // now: milliseconds on the cloud's clock.
  draw(rates, groups, now) {
    // Whole seconds, so that the curve moves on instead of trembling.
    const end = Math.floor(now / 1000) * 1000;
    const sums = [];
    for (let second = SECONDS; second >= 0; second -= 1) sums.push(rates.sum(end - 1000 * second, SHORT));
    const highest = Math.max(1, ...sums.map((sum) => kbits(sum.bytes)));
    const lower = sums.map(() => 0);
    for (const group of groups) {
      const upper = sums.map((sum, index) => lower[index] + kbits(sum.groups[group] ?? 0));
      this.area(group).setAttribute("d", outline(lower, upper, highest));
      upper.forEach((value, index) => (lower[index] = value));
    }
    this.scale.textContent = `${inKbits(highest)} kbit/s`;
    this.svg.setAttribute("aria-label", `Bit rate of the last ${SECONDS} seconds, now ${inKbits(kbits(sums.at(-1).bytes))} kbit/s, scale up to ${inKbits(highest)}`);
  }

  area(group) {
    if (!this.areas.has(group)) {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("class", classOf(group));
      this.svg.append(path);
      this.areas.set(group, path);
    }
    return this.areas.get(group);
  }
}

export function classOf(group) {
  return group === "semantic" || group === "geometry" ? `of-${group}` : "of-other";
}

function kbits(bytes) {
  return (8 * bytes) / SHORT;
}

function outline(lower, upper, highest) {
  const x = (index) => ((index * WIDTH) / SECONDS).toFixed(1);
  const y = (value) => (HEIGHT - (value * (HEIGHT - HEADROOM)) / highest).toFixed(1);
  const there = upper.map((value, index) => `${x(index)},${y(value)}`);
  const back = lower.map((value, index) => `${x(index)},${y(value)}`).reverse();
  return `M${there.join("L")}L${back.join("L")}Z`;
}

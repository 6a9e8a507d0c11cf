// Names and numbers as the page writes them.

const TITLES = {
  segment_semantic: "Segmentation",
  normal: "Normals",
  reshading: "Reshading",
  principal_curvature: "Curvature",
  class_scene: "Scene",
  class_object: "Object",
};

export function titleOf(task) {
  return TITLES[task] ?? task.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());
}

export function labelOf(label) {
  return label.replaceAll("_", " ");
}

export function inKbits(rate) {
  if (rate === 0) return "0";
  return rate < 10 ? rate.toFixed(2) : rate < 100 ? rate.toFixed(1) : Math.round(rate).toString();
}

export function inPercent(share) {
  const percent = 100 * share;
  if (percent > 0 && percent < 0.1) return "<0.1 %";
  return `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
}

export function inWords(count, thing) {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}

// A number and its unit, the unit smaller.
export function withUnit(number, unit) {
  const small = document.createElement("small");
  small.textContent = ` ${unit}`;
  return [number, small];
}

export function inDelay(milliseconds) {
  if (milliseconds === null) return ["–"];
  const rounded = Math.max(0, Math.round(milliseconds));
  return rounded < 10_000 ? withUnit(`${rounded}`, "ms") : withUnit((rounded / 1000).toFixed(0), "s");
}

export function inTimeOfDay(milliseconds) {
  return new Date(milliseconds).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}

export function inDuration(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

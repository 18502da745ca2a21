// How numbers are written, as in README.md (harness/report/numbers.py).

const NONE = "–";

function isKnown(value) {
  return value !== null && value !== undefined && !Number.isNaN(value);
}

function correlation(value) {
  return isKnown(value) ? value.toFixed(2).replace("-", "−") : NONE;
}

function interval(row) {
  return isKnown(row.low) ? `[${correlation(row.low)}, ${correlation(row.high)}]` : "";
}

function ranks(row) {
  if (!isKnown(row.first)) return NONE;
  return row.first === row.last ? `${row.first}` : `${row.first}–${row.last}`;
}

function daggers(row) {
  return (has(row, "behind") ? " †" : "") + (has(row, "doubt") ? " ‡" : "");
}

function amount(value) {
  if (!isKnown(value)) return NONE;
  if (value === 0) return "0";
  return value >= 100 ? Math.round(Number(value.toPrecision(2))).toLocaleString("en") : String(Number(value.toPrecision(2)));
}

function cost(row, axis) {
  const value = row.costs[axis];
  if (CONTENT.costs[axis] === "retrainings") return isKnown(value) ? Math.round(value).toLocaleString("en") : NONE;
  return amount(value) + (CONTENT.costs[axis] === "seconds" && has(row, "loaded") ? " §" : "");
}

/** A contributor's own number: three digits that matter. */
function figure(value) {
  if (!isKnown(value)) return NONE;
  if (typeof value !== "number") return String(value);
  return String(Number(value.toPrecision(3))).replace("-", "−");
}

function percent(share) {
  return share > 0 && share < 0.005 ? "<1 %" : `${Math.round(100 * share)} %`;
}

function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function words(name) {
  return name.replace(/[_-]/g, " ");
}

const COST_WORDS = {
  reference_gpu_hours: "GPU-hours at reference scale",
  seconds: "seconds on the machine that ran it",
  retrainings: "retrainings",
};

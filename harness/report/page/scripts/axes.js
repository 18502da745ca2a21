// Scales and axes.

function linear(domain, range) {
  const [low, high] = domain;
  const scale = (value) => range[0] + ((value - low) / (high - low || 1)) * (range[1] - range[0]);
  return Object.assign(scale, { domain, range, ticks: niceTicks(low, high, Math.max(3, Math.abs(range[1] - range[0]) / 65)) });
}

/** Logarithmic above 0, with a place of its own at the left for 0 where there is any. */
function logarithmic(values, range) {
  const positive = values.filter((value) => value > 0);
  const hasZero = positive.length < values.length;
  const low = Math.floor(Math.log10(Math.min(...positive, positive.length ? Infinity : 1)));
  const high = Math.max(Math.ceil(Math.log10(Math.max(...positive, positive.length ? 0 : 1))), low + 1);
  const start = range[0] + (hasZero ? 34 : 0);
  const place = (value) => start + ((Math.log10(value) - low) / (high - low)) * (range[1] - start);
  const scale = (value) => (value > 0 ? place(value) : range[0] + 6);
  const every = Math.max(1, Math.ceil(((high - low) * 55) / (range[1] - start)));
  const ticks = [];
  for (let power = low; power <= high; power += every) ticks.push(10 ** power);
  return Object.assign(scale, { range, start, hasZero, ticks });
}

function niceTicks(low, high, about) {
  const rough = (high - low) / about || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((found) => found >= rough * 0.999);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k += 1) ticks.push(Number((k * step).toPrecision(12)));
  return ticks;
}

/** A little wider than what is to be seen, and with 0 in it where asked. */
function padded(values, pad = 0.04) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const more = (high - low || Math.abs(high) || 1) * pad;
  return [low - more, high + more];
}

function tickLabel(value) {
  if (value !== 0 && (Math.abs(value) >= 1e5 || Math.abs(value) < 1e-4)) return value.toExponential(0).replace("e+", "e").replace("-", "−");
  return Number(value.toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 6 }).replace("-", "−");
}

/** A horizontal axis's lines and numbers; grid lines run from top to bottom. */
function xAxis(scale, top, bottom, palette, { size = 11, label = tickLabel, above = false } = {}) {
  return scale.ticks.flatMap((tick) => [
    line(scale(tick), top, scale(tick), bottom, palette.grid),
    text(scale(tick), above ? top - 5 : bottom + 14, label(tick), { "text-anchor": "middle", "font-size": size, fill: palette.muted }),
  ]);
}

function yAxis(scale, left, right, palette, { size = 11, label = tickLabel } = {}) {
  return scale.ticks.flatMap((tick) => [
    line(left, scale(tick), right, scale(tick), palette.grid),
    text(left - 6, scale(tick) + 4, label(tick), { "text-anchor": "end", "font-size": size, fill: palette.muted }),
  ]);
}

/** 0 and powers of ten, with a break between them. */
function logAxis(scale, top, bottom, palette) {
  const zero = scale.hasZero
    ? [
        line(scale(0), top, scale(0), bottom, palette.grid),
        text(scale(0), bottom + 14, "0", { "text-anchor": "middle", "font-size": 11, fill: palette.muted }),
        path(`M${scale.start - 13},${bottom + 4}l3,-8M${scale.start - 9},${bottom + 4}l3,-8`, { stroke: palette.muted, fill: "none" }),
      ]
    : [];
  return [...zero, ...xAxis(scale, top, bottom, palette)];
}

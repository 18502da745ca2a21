// One pool's contributors: what retraining says each is worth against what the picked method says.

const CONTRIBUTORS = {
  id: "contributors",
  title: "Contributors of a pool",
  lead: () => contributorsLead(),
  tools: () => [
    chooser("Pool", "pool", CONTENT.pools.map((pool, place) => [place, poolName(pool)])),
    chooser("Axes", "scale", [["values", "values"], ["ranks", "ranks"]]),
    chooser("Shade by", "shade", [["", "nothing"], ...numericPlanted(poolNow()).map((name) => [name, words(name)])]),
  ],
  figures: () => contributorPanels().map((panel) => ({ name: `contributors-${questionName(panel.question)}`, draw: (width, palette) => drawPanel(panel, width, palette), share: contributorPanels().length })),
  caption: () => contributorsCaption(),
  tables: () => [contributorsTable()],
};

function poolNow() {
  return CONTENT.pools[state.pool] ?? CONTENT.pools[0];
}

/** Truth and values of the chosen pool, for the chosen question or for each. */
function contributorPanels() {
  const pool = poolNow();
  const asked = state.question === ALL ? CONTENT.questions.map((_, question) => question) : [state.question];
  return asked.flatMap((question) => {
    const points = findPoints(pool.task, question);
    const place = points ? points.pools.indexOf(pool.pool) : -1;
    const values = place >= 0 ? valuesOf(points, state.method, place) : null;
    return values ? [{ pool, question, truth: points.truths[place], values, score: points.rows.get(state.method)[1][place] }] : [];
  });
}

function contributorsLead() {
  const panels = contributorPanels();
  if (!panels.length) return `${methodName(state.method)} gave no values in ${poolName(poolNow())}.`;
  const told = panels.map((panel) => `${correlation(panel.score === null ? null : panel.score / 1000)} (${questionName(panel.question)})`);
  return `${methodName(state.method)} in ${poolName(poolNow())}: Spearman ${told.join(", ")}. Point at a contributor to read what was planted in its data.`;
}

function contributorsCaption() {
  const shade = state.shade ? ` Darker: more ${words(state.shade)}.` : "";
  return `Across: the method's value. Up: what retraining says, on a test set that no method sees. Both are means over repeats; values keep their exact order, and their place to a 500th of their range.${shade}`;
}

function drawPanel(panel, width, palette) {
  const height = Math.min(Math.max(260, width * 0.8), 420);
  const svg = drawing(width, height, `Truth against value, ${questionName(panel.question)}`, palette);
  const [xs, ys] = state.scale === "ranks" ? [ranksOf(panel.values), ranksOf(panel.truth)] : [panel.values, panel.truth];
  const flip = state.scale === "ranks" ? (domain) => [domain[1], domain[0]] : (domain) => domain;
  const [top, bottom, left, right] = [38, height - 40, 58, width - 14];
  const x = linear(flip(padded(xs, 0.07)), [left, right]);
  const y = linear(flip(padded(ys, 0.07)), [bottom, top]);
  const ticks = (scale) => (state.scale === "ranks" ? callable(scale, [1, ...niceTicks(5, xs.length, 4).filter((tick) => tick > 1)]) : scale);
  svg.append(text(0, 12, questionName(panel.question), { "font-weight": 600 }));
  svg.append(...yAxis(ticks(y), left, right, palette), ...xAxis(ticks(x), top, bottom, palette));
  if (state.scale === "values") svg.append(...zeroLines(x, y, [left, top, right, bottom], palette));
  svg.append(text(left - 50, 29, state.scale === "ranks" ? "rank of the truth" : "truth (log-likelihood)", { "font-size": 11, fill: palette.muted }));
  svg.append(text(right, bottom + 32, `${state.scale === "ranks" ? "rank of the value" : "value"}, ${methodName(state.method)}`, { "font-size": 11, fill: palette.muted, "text-anchor": "end" }));
  const shades = shadesOf(panel.pool);
  const spots = panel.pool.contributors.map((name, c) => ({ c, name, px: x(xs[c]), py: y(ys[c]) }));
  svg.append(...spots.map((spot) => contributorMark(spot, panel, shades, palette)));
  svg.append(...spotLabels(spots, [left, top, right, bottom], palette));
  return withKeys(svg);
}

function zeroLines(x, y, [left, top, right, bottom], palette) {
  const isIn = ([low, high]) => low < 0 && high > 0;
  const across = isIn(x.domain) ? [line(x(0), top, x(0), bottom, palette.faint)] : [];
  return isIn(y.domain) ? [...across, line(left, y(0), right, y(0), palette.faint)] : across;
}

function contributorMark({ c, px, py }, panel, shades, palette) {
  const colour = methodColour(state.method, palette);
  const fill = shades ? mixed(palette.paper, colour, 0.08 + 0.92 * shades[c]) : colour;
  const shapes = [
    rectangle(px - 8, py - 8, 16, 16, "transparent"),
    focusRing(px - 8, py - 8, 16, 16, palette),
    path(SHAPES[0](round(px), round(py), 4.5), { fill, stroke: colour, "fill-opacity": shades ? 1 : 0.75 }),
  ];
  return mark(`contributors-${panel.question}-${c}`, contributorLines(c, panel), shapes);
}

/** Names beside their points where they cover nothing. */
function spotLabels(spots, [left, top, right, bottom], palette) {
  const taken = spots.map(({ px, py }) => [px - 4, py - 4, px + 4, py + 4]);
  return spots.flatMap(({ name, px, py }) => {
    const shown = cut(name, 70, 10);
    const place = placeOf(px, py, widthOf(shown, 10), 10, taken, [left, top, right, bottom]);
    if (!place) return [];
    taken.push(place.box);
    return [text(place.x, place.y, shown, { "font-size": 10, fill: palette.muted, "pointer-events": "none" })];
  });
}

function contributorLines(c, { pool, truth, values }) {
  const planted = Object.entries(pool.planted).filter(([, column_]) => isKnown(column_[c]));
  return [
    pool.contributors[c],
    `truth ${figure(truth[c])}, rank ${figure(ranksOf(truth)[c])}`,
    `value ${figure(values[c])}, rank ${figure(ranksOf(values)[c])}`,
    ...planted.map(([name, column_]) => `${words(name)} ${figure(column_[c])}`),
  ];
}

function numericPlanted(pool) {
  return pool ? Object.keys(pool.planted).filter((name) => pool.planted[name].every((value) => value === null || typeof value === "number")) : [];
}

/** Of what shades the pool's contributors, from 0 to 1; null where nothing does. */
function shadesOf(pool) {
  if (!state.shade || !numericPlanted(pool).includes(state.shade)) return null;
  const values = pool.planted[state.shade];
  const known = values.filter(isKnown);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  return values.map((value) => (isKnown(value) && high > low ? (value - low) / (high - low) : 0));
}

function contributorsTable() {
  const panels = contributorPanels();
  const pool = poolNow();
  const rows = pool ? pool.contributors.map((_, c) => c) : [];
  const columns = [
    column("contributor", (c) => pool.contributors[c], (c) => pool.contributors[c], { number: false }),
    ...panels.flatMap(({ question, truth, values }) => [
      column(`truth, ${questionName(question)}`, (c) => figure(truth[c]), (c) => truth[c]),
      column("its rank", (c) => figure(ranksOf(truth)[c]), (c) => ranksOf(truth)[c]),
      column(`value, ${questionName(question)}`, (c) => figure(values[c]), (c) => values[c]),
      column("its rank", (c) => figure(ranksOf(values)[c]), (c) => ranksOf(values)[c]),
    ]),
  ];
  return tableOf("contributors", pool ? `Truth and values of ${methodName(state.method)}: ${poolName(pool)}. Rank 1 is the largest.` : "No pool", columns, rows);
}

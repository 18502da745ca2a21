// What was planted in the pools, and how far one planted feature alone goes with the truth.

const PLANTED = {
  id: "planted",
  title: "What was planted",
  lead: () =>
    "Contributors differ in what the program drew for them. If one such feature alone went with the truth, agreement with the truth would mean little: from 0.7 on, a task and question are said not to discriminate.",
  tools: () => [chooser("Pool", "pool", CONTENT.pools.map((pool, place) => [place, poolName(pool)]))],
  figures: () => [...featurePanels(), { name: "planted", draw: drawPlanted, title: `Contributors of ${poolNow() ? poolName(poolNow()) : "no pool"}` }],
  caption: () => "Above: absolute mean Spearman of single features with the truth, a symbol a question. Below: each contributor of the chosen pool, from the least to the largest planted value; the numbers are the ends.",
  tables: () => [plantedTable(), featureTable()],
};

const RULE = CONTENT.rule;

function featurePanels() {
  const tasks = state.task === ALL ? [...CONTENT.tasks.keys()] : [state.task];
  const shown = tasks.filter((task) => CONTENT.features.some((found) => found.task === task));
  return shown.map((task) => ({ name: `features-${taskName(task)}`, draw: (width, palette) => drawFeatures(task, width, palette), share: Math.min(shown.length, 2) }));
}

function drawFeatures(task, width, palette) {
  const found = CONTENT.features.filter((one) => one.task === task);
  const strongest = (name) => Math.max(...found.map((one) => one.features[name] ?? 0));
  const names = [...new Set(found.flatMap((one) => Object.keys(one.features)))].sort((a, b) => strongest(b) - strongest(a));
  const [label, top] = [Math.min(118, width * 0.34), 44];
  const bottom = top + names.length * LINE;
  const svg = drawing(width, bottom + 24, `Single features and the truth, ${taskName(task)}`, palette);
  const x = linear([0, 1], [label + 8, width - 12]);
  svg.append(text(0, 12, taskName(task), { "font-weight": 600 }), ...questionKey(width, palette), ...xAxis(x, top, bottom, palette));
  svg.append(line(x(RULE), top - 6, x(RULE), bottom, palette.muted, { "stroke-dasharray": "3 3" }));
  svg.append(text(x(RULE), top - 9, `does not discriminate from ${RULE}`, { "font-size": 10, fill: palette.muted, "text-anchor": "middle" }));
  svg.append(...names.map((name, row) => featureMark(name, found, x, top + row * LINE + LINE / 2, label, palette)));
  return withKeys(svg);
}

function questionKey(width, palette) {
  let x = width;
  return [...CONTENT.questions.keys()].reverse().flatMap((question) => {
    const name = questionName(question);
    x -= widthOf(name, 10.5) + 22;
    return [questionSymbol(question, x + 8, 8, palette), text(x + 16, 12, name, { "font-size": 10.5, fill: palette.muted })];
  });
}

function questionSymbol(question, x, y, palette) {
  const colour = palette.families[question % palette.families.length];
  return path(SHAPES[question % SHAPES.length](round(x), round(y), 3.5), { fill: colour, stroke: colour });
}

function featureMark(name, found, x, y, label, palette) {
  const known = found.filter((one) => isKnown(one.features[name]));
  const lines = [words(name), ...known.map((one) => `${questionName(one.question)} ${correlation(one.features[name])}`)];
  const shapes = [
    rectangle(0, y - LINE / 2, x.range[1], LINE, "transparent"),
    focusRing(1, y - LINE / 2 + 1, x.range[1], LINE - 2, palette),
    text(label, y + 4, cut(words(name), label, 12), { "text-anchor": "end" }),
    line(x(0), y, x(Math.max(0, ...known.map((one) => one.features[name]))), y, palette.faint, { "stroke-dasharray": "1 4" }),
    ...known.map((one) => questionSymbol(one.question, x(one.features[name]), y, palette)),
  ];
  return mark(`features-${found[0].task}-${name}`, lines, shapes);
}

function drawPlanted(width, palette) {
  const pool = poolNow();
  const names = numericPlanted(pool);
  const label = Math.min(118, width * 0.34);
  const tall = 26;
  const svg = drawing(width, names.length * tall + 10, "Planted values of the chosen pool", palette);
  if (!names.length) return emptied(svg, "Nothing that is a number was planted here.", palette);
  const x = linear([0, 1], [label + 58, width - 62]);
  svg.append(...names.flatMap((name, row) => plantedStrip(name, pool, x, row * tall + tall / 2 + 4, label, palette)));
  return withKeys(svg);
}

function plantedStrip(name, pool, x, y, label, palette) {
  const values = pool.planted[name];
  const known = values.filter(isKnown);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const share = (value) => (high > low ? (value - low) / (high - low) : 0.5);
  const small = { "font-size": 11, fill: palette.muted };
  return [
    text(label, y + 4, cut(words(name), label, 12), { "text-anchor": "end" }),
    text(x.range[0] - 10, y + 4, figure(low), { ...small, "text-anchor": "end" }),
    text(x.range[1] + 10, y + 4, figure(high), small),
    line(x(0), y, x(1), y, palette.grid),
    ...values.flatMap((value, c) => (isKnown(value) ? [plantedMark(name, pool, c, x(share(value)), y, palette)] : [])),
  ];
}

function plantedMark(name, pool, c, px, y, palette) {
  const spot = path(SHAPES[0](round(px), round(y), 4), { fill: palette.muted, "fill-opacity": 0.35, stroke: palette.muted });
  return mark(`planted-${name}-${c}`, [pool.contributors[c], `${words(name)} ${figure(pool.planted[name][c])}`], [spot, focusRing(px - 6, y - 6, 12, 12, palette)]);
}

function plantedTable() {
  const pool = poolNow();
  const rows = pool ? pool.contributors.map((_, c) => c) : [];
  const names = pool ? Object.keys(pool.planted) : [];
  const facts = pool ? Object.entries(pool.facts).map(([name, value]) => `${words(name)} ${figure(value)}`) : [];
  const columns = [
    column("contributor", (c) => pool.contributors[c], (c) => pool.contributors[c], { number: false }),
    ...names.map((name) => column(words(name), (c) => figure(pool.planted[name][c]), (c) => pool.planted[name][c])),
  ];
  const caption = pool ? `Planted in ${poolName(pool)}. ${facts.length ? `Measured of the whole pool: ${facts.join(", ")}.` : ""}` : "No pool";
  return tableOf("planted", caption, columns, rows);
}

function featureTable() {
  const rows = CONTENT.features.filter((found) => [ALL, found.task].includes(state.task) && [ALL, found.question].includes(state.question));
  const best = (found) => Object.entries(found.features).sort((a, b) => b[1] - a[1])[0] ?? [NONE, null];
  const columns = [
    column("task, question", (found) => `${taskName(found.task)}, ${questionName(found.question)}`, (found) => taskName(found.task), { number: false }),
    column("best single feature", (found) => words(best(found)[0]), (found) => best(found)[0], { number: false }),
    column("its |Spearman|", (found) => correlation(best(found)[1]), (found) => best(found)[1]),
    column("discriminates", (found) => (found.discriminates ? "yes" : "no"), (found) => Number(found.discriminates), { number: false }),
    column("ceiling", (found) => correlation(found.ceiling), (found) => found.ceiling),
    column("reliability", (found) => correlation(found.reliability), (found) => found.reliability),
    column("to learn", (found) => found.gain),
    column("pools where nothing is learned", (found) => found.unlearned),
  ];
  return tableOf("features", "Whether the pools tell methods apart. To learn: U(everyone) − U(nobody) with its standard error.", columns, rows);
}

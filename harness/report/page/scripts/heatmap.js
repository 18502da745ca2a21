// Every method on every task, against the ceiling.

const TASKS = {
  id: "tasks",
  title: "Each task by itself",
  lead: () => "A method may be good at one task or question and poor at another. Colour is the share of the ceiling, which is what knowing the noiseless truth would score.",
  tools: () => [chooser("Colour", "colour", [["ceiling", "share of the ceiling"], ["score", "score itself"]])],
  figures: () => [{ name: "tasks", draw: drawHeatmap }],
  caption: () => `Mean Spearman over pools. Blue: above 0, up to the ceiling; orange: below 0. Rows in the order of: ${placeWords()}. An empty cell has no score; the notes on rows, at the end, say why. Where cells have no numbers, pointing at one or tapping it tells them, and so does choosing one question above.`,
  tables: () => [heatTable()],
};

/** The cells' tables: of the chosen task and question, or of all, question by question. */
function heatColumns() {
  return CONTENT.questions.flatMap((_, question) =>
    CONTENT.tasks.flatMap((_, task) => {
      const isShown_ = [ALL, task].includes(state.task) && [ALL, question].includes(state.question);
      const table = isShown_ && findTable(task, question);
      return table ? [table] : [];
    }),
  );
}

/** Methods that pass the filters, in the order of the current table; those without a score there come last. */
function heatRows() {
  return currentTable()
    .rows.filter(isShown)
    .sort((a, b) => (b.score ?? -9) - (a.score ?? -9) || a.method - b.method)
    .map((row) => row.method);
}

function drawHeatmap(width, palette) {
  const [columns, methods] = [heatColumns(), heatRows()];
  const label = Math.min(Math.max(70, ...methods.map((method) => widthOf(methodName(method), 12, 600))) + 10, width * 0.34);
  const wide = Math.min((width - label - 2) / Math.max(columns.length, 1), 92);
  const grid = { label, top: wide < 62 ? 128 : 70, size: 18, wide: wide < 62 ? wide - 36 / Math.max(columns.length, 1) : wide };
  const svg = drawing(width, grid.top + methods.length * grid.size + 8, "Score of every method on every task", palette);
  const at = columnPlaces(columns, grid);
  svg.append(...heatHeads(columns, at, grid, palette));
  svg.append(...methods.flatMap((method, row) => heatRow(method, row, columns, at, grid, palette)));
  return withKeys(svg);
}

/** A little room between questions. */
function columnPlaces(columns, { label, wide }) {
  const gap = 8;
  const breaks = columns.map((table, place) => (place > 0 && table.question !== columns[place - 1].question ? 1 : 0));
  const total = breaks.reduce((sum, one) => sum + one, 0);
  const cell = wide - (gap * total) / Math.max(columns.length, 1);
  let passed = 0;
  return columns.map((_, place) => {
    passed += breaks[place];
    return { x: label + place * cell + passed * gap, wide: cell };
  });
}

function heatHeads(columns, at, { label, top }, palette) {
  const heads = columns.flatMap((table, place) => {
    const { x, wide } = at[place];
    const parts = wide < 58 ? [leaningName(table, x + wide / 2 + 2, top - 26)] : brokenName(table, x + (wide - 1) / 2, top - 38, wide);
    const isFirst = place === 0 || columns[place - 1].question !== table.question;
    if (isFirst) parts.push(text(x, 12, questionName(table.question), { "font-weight": 600, "font-size": wide < 24 ? 10 : 12 }));
    if (isKnown(table.ceiling[0])) parts.push(text(x + wide / 2, top - 8, shortScore(table.ceiling[0], wide), { "text-anchor": "middle", "font-size": wide < 26 ? 8.5 : 11, fill: palette.muted }));
    return parts;
  });
  return [...heads, text(label - 6, top - 8, "ceiling", { "text-anchor": "end", "font-size": 11, fill: palette.muted })];
}

function leaningName(table, x, y) {
  return text(x, y, cut(taskName(table.task), 96, 11), { "font-size": 11, transform: `rotate(-50 ${round(x)} ${y})` });
}

/** On two lines, broken after a hyphen. */
function brokenName(table, x, y, wide) {
  const [, first, second] = taskName(table.task).match(/^(.*?-)(.+)$/) ?? [null, "", taskName(table.task)];
  return [first, second].map((part, k) => text(x, y + 12 * k, cut(part, wide, 11), { "font-size": 11, "text-anchor": "middle" }));
}

/** Without its zero where there is little room. */
function shortScore(value, wide) {
  return wide < 30 ? correlation(value).replace("0.", ".") : correlation(value);
}

function heatRow(method, row, columns, at, { label, top, size }, palette) {
  const y = top + row * size;
  const isPicked = method === state.method;
  const weight = isPicked ? 600 : 400;
  const name = text(label - 6, y + size / 2 + 4, cut(methodName(method), label - 8, 12, weight), { "text-anchor": "end", "font-weight": weight });
  return [name, ...columns.map((table, place) => heatCell(table, method, at[place], y, size, palette)).filter(Boolean)];
}

function heatCell(table, method, { x, wide }, y, size, palette) {
  const row = table.rows.find((one) => one.method === method);
  if (!row) return null;
  const value = heatValue(row, table);
  const colour = isKnown(value) ? diverging(value, palette) : palette.band;
  const shapes = [rectangle(x, y, wide - 1, size - 1, colour), focusRing(x, y, wide - 1, size - 1, palette)];
  if (wide >= 19 && isKnown(row.score)) {
    const style = { "text-anchor": "middle", "font-size": wide < 26 ? 8.5 : 10.5, fill: readable(colour) };
    shapes.push(text(x + (wide - 1) / 2, y + size / 2 + 3.5, shortScore(row.score, wide), style));
  }
  return mark(`tasks-${table.task}-${table.question}-${method}`, heatLines(row, table), shapes, () => pick(method));
}

function heatValue(row, table) {
  if (row.score === null) return null;
  const ceiling = table.ceiling[0];
  return state.colour === "score" || !(ceiling > 0) ? row.score : row.score / ceiling;
}

function heatLines(row, table) {
  const where = `${taskName(table.task)}, ${questionName(table.question)}`;
  if (row.score === null) return [methodName(row.method), where, row.state || "no score"];
  const share = isKnown(table.ceiling[0]) ? [`${percent(row.score / table.ceiling[0])} of the ceiling of ${correlation(table.ceiling[0])}`] : [];
  return [methodName(row.method), where, `${correlation(row.score)} ${interval(row)}, rank ${ranks(row)}`, ...share];
}

function heatTable() {
  const columns = heatColumns();
  const rows = heatRows();
  const cellOf = (table, method) => table.rows.find((row) => row.method === method);
  const shown = (table) => (method) => {
    const row = cellOf(table, method);
    if (!row) return NONE;
    return row.score === null ? row.state.split(":")[0] || NONE : `${correlation(row.score)} ${interval(row)}${daggers(row)}`;
  };
  return tableOf(
    "tasks",
    "Mean Spearman over pools with its 95 % interval. †: told apart from the best of its column, and worse. ‡: agreement tells little there.",
    [
      column("method", methodName, methodName, { number: false }),
      ...columns.map((table) => column(`${taskName(table.task)}, ${questionName(table.question)}`, shown(table), (method) => cellOf(table, method)?.score)),
    ],
    rows,
    (method) => method === state.method,
  );
}

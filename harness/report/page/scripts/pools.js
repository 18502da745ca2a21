// Pool by pool: one row a pool, all methods on it; where the picked one wins and loses.

const POOLS = {
  id: "pools",
  title: "Pool by pool",
  lead: () => poolsLead(),
  tools: () => [chooser("Order", "order", [["score", "by the picked method's score"], ["pool", "by number"]])],
  figures: () => poolPanels(),
  caption: () =>
    `${placeWords()}. Each row is a pool with contributors of its own; ticks are all methods that the filters show, the symbol is ${methodName(state.method)}. At the right: its place among the methods shown. Choose a row to see its contributors below.`,
  tables: () => [poolsTable()],
};

/** What each pool says: every method's score, those shown, and the place of the picked one. */
function poolRows() {
  const tasks = state.task === ALL ? [...CONTENT.tasks.keys()] : [state.task];
  return tasks.flatMap((task) => taskPools(task));
}

function taskPools(task) {
  const methods = CONTENT.methods.map((_, method) => method).filter((method) => isShown(findRow(method)) || method === state.method);
  const scores = new Map(methods.map((method) => [method, poolScores(task, state.question, method)]));
  const rows = CONTENT.pools
    .map((pool, place) => ({ pool, place }))
    .filter(({ pool }) => pool.task === task)
    .map(({ pool, place }) => poolRow(pool, place, methods, scores))
    .filter((row) => row.scores.length);
  return state.order === "score" ? rows.sort((a, b) => (b.own ?? -9) - (a.own ?? -9) || a.place - b.place) : rows;
}

function findRow(method) {
  return currentTable().rows.find((row) => row.method === method) ?? { method, costs: [null, null, null] };
}

function poolRow(pool, place, methods, scores) {
  const known = methods.map((method) => [method, scores.get(method).get(pool.pool)]).filter(([, score]) => isKnown(score));
  const own = known.find(([method]) => method === state.method)?.[1] ?? null;
  const rank = own === null ? null : 1 + known.filter(([, score]) => score > own + 1e-9).length;
  return { pool, place, scores: known.sort((a, b) => b[1] - a[1]), own, rank };
}

function poolsLead() {
  const rows = poolRows().filter((row) => row.rank !== null);
  if (!rows.length) return `${methodName(state.method)} has no scores by pool here.`;
  const first = rows.filter((row) => row.rank === 1).length;
  const upper = rows.filter((row) => row.rank <= Math.max(1, row.scores.length / 4)).length;
  const lower = rows.filter((row) => row.rank > row.scores.length / 2).length;
  return `${methodName(state.method)} scores highest in ${first} of ${count(rows.length, "pool")}, is among the best quarter of methods in ${upper}, and in the lower half in ${lower}. Pick another method above, or in any figure.`;
}

/** One a task, side by side. */
function poolPanels() {
  const rows = poolRows();
  const tasks = [...new Set(rows.map((row) => row.pool.task))];
  const domain = padded([0, ...rows.flatMap((row) => row.scores.map(([, score]) => score))], 0.02);
  const panel = (task) => {
    const own = rows.filter((row) => row.pool.task === task);
    return { name: `pools-${taskName(task)}`, draw: (width, palette) => drawPools(task, own, domain, width, palette), share: Math.min(tasks.length, 2) };
  };
  return tasks.map(panel);
}

function drawPools(task, rows, domain, width, palette) {
  const [tall, top] = [rows.length > 12 ? 15 : 18, 42];
  const height = top + rows.length * tall + 22;
  const svg = drawing(width, height, `Scores in each pool, ${taskName(task)}, ${questionName(state.question)}`, palette);
  const x = linear(domain, [62, width - 70]);
  svg.append(text(0, 12, taskName(task), { "font-weight": 600 }), text(62, 29, "Spearman with the truth", { "font-size": 11, fill: palette.muted }));
  svg.append(...xAxis(x, top, height - 20, palette), line(x(0), top, x(0), height - 20, palette.faint));
  svg.append(...rows.map((row, place) => poolMark(row, x, top + place * tall, tall, width, palette)));
  return withKeys(svg);
}

function poolMark(row, x, y, tall, width, palette) {
  const isChosen = row.place === state.pool;
  const middle = y + tall / 2;
  const ticks = row.scores.map(([, score]) => `M${round(x(score))},${round(middle - tall * 0.28)}v${round(tall * 0.56)}`).join("");
  const style = { "font-size": tall < 16 ? 10 : 12, "font-weight": isChosen ? 600 : 400 };
  const shapes = [
    rectangle(0, y, width, tall, isChosen ? palette.band : "transparent"),
    focusRing(1, y + 1, width - 2, tall - 2, palette),
    text(52, middle + 4, `pool ${row.pool.pool + 1}`, { ...style, "text-anchor": "end" }),
    path(ticks, { stroke: palette.solid, "stroke-width": 1.25 }),
  ];
  if (row.own !== null) {
    shapes.push(symbol(state.method, x(row.own), middle, tall < 16 ? 4 : 5, palette));
    shapes.push(text(width - 4, middle + 4, `${row.rank} of ${row.scores.length}`, { ...style, "text-anchor": "end", fill: palette.muted }));
  }
  return mark(`pools-${row.place}`, poolLines(row), shapes, () => change({ pool: row.place }));
}

function poolLines(row) {
  const [best, score] = row.scores[0];
  const own = row.own === null ? [] : [`${methodName(state.method)}: ${correlation(row.own)}, ${row.rank} of ${row.scores.length}`];
  return [poolName(row.pool), ...own, `best: ${methodName(best)}, ${correlation(score)}`];
}

function poolsTable() {
  const columns = [
    column("pool", (row) => poolName(row.pool), (row) => row.place, { number: false }),
    column(methodName(state.method), (row) => correlation(row.own), (row) => row.own),
    column("its place", (row) => (row.rank === null ? NONE : `${row.rank} of ${row.scores.length}`), (row) => row.rank),
    column("best", (row) => methodName(row.scores[0][0]), (row) => methodName(row.scores[0][0]), { number: false }),
    column("its score", (row) => correlation(row.scores[0][1]), (row) => row.scores[0][1]),
    column("median of all", (row) => correlation(median(row.scores.map(([, score]) => score))), (row) => median(row.scores.map(([, score]) => score))),
  ];
  return tableOf("pools", `Scores in each pool: ${placeWords()}. With a mean over questions, a pool's score is its mean over them.`, columns, poolRows(), (row) => row.place === state.pool);
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}

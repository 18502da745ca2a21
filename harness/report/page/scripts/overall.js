// The overall view: every method's score with its interval, and the ranks that it may have.

const OVERALL = {
  id: "overall",
  title: "Overall",
  lead: () => "Every method with a score, best first: its mean rank correlation with the truth, and the best and the worst rank that it may have when all pairs are compared at once.",
  tools: () => [],
  figures: () => [{ name: "overall", draw: drawOverall }],
  caption: () =>
    `${placeWords()}. Lines: 95 % intervals. Filled symbols: better than random orders. Bars: the best and the worst rank that each may have; bars of two that are told apart can overlap, for others stand between them.${claimWords()}`,
  tables: () => [overallTable()],
  isOpen: true,
};

function claimWords() {
  return state.task === ALL ? "" : ` ${currentTable().verdict} ${currentTable().doubt}`.trimEnd();
}

const LINE = 18;

function drawOverall(width, palette) {
  const table = currentTable();
  const rows = scoredRows(table);
  const layout = overallLayout(width, rows, table);
  const svg = drawing(width, layout.bottom + 24, `Scores and rank ranges, ${placeWords()}`, palette);
  svg.append(...overallAxes(layout, table, rows.length, palette));
  svg.append(...rows.map((row, place) => overallRow(row, place, layout, palette)));
  return withKeys(svg);
}

function overallLayout(width, rows, table) {
  const longest = Math.max(60, ...rows.map((row) => widthOf(methodName(row.method), 12, 600)));
  const label = Math.min(longest + 8, width * (width < 560 ? 0.32 : 0.3));
  const isRanked = rows.some((row) => isKnown(row.first));
  const isNarrow = width < 560;
  const rankWidth = isRanked ? Math.max(64, width * 0.22) : 0;
  const told = isNarrow ? 4 : 46; // room for the ranks in numbers
  const left = label + 44;
  const right = width - rankWidth - (isRanked ? 16 + told : 14);
  const values = rows.flatMap((row) => [row.low ?? row.score, row.high ?? row.score]);
  const domain = padded([0, ...values, ...table.ceiling.slice(0, 1).filter(isKnown)]);
  const most = Math.max(2, ...table.rows.map((row) => row.last ?? 0));
  const top = 40;
  return {
    label,
    top,
    bottom: top + Math.max(rows.length, 1) * LINE + 6,
    isNarrow,
    edge: isRanked ? width : right,
    score: linear(domain, [left, right]),
    rank: isRanked ? linear([0.5, most + 0.5], [right + 16, right + 16 + rankWidth]) : null,
    most,
  };
}

function overallAxes({ top, bottom, score, rank, most, isNarrow }, table, shown, palette) {
  const head = { "font-size": 11, fill: palette.muted };
  const [left] = score.range;
  const parts = [
    text(left, 12, isNarrow ? "Spearman" : "Spearman with the truth", head),
    ...xAxis(score, top, bottom, palette),
    line(score(0), top, score(0), bottom, palette.faint),
    ...ceilingLine(score, table, top, bottom, palette),
  ];
  if (!shown) parts.push(text(0, top + 12, "No method with a score passes the filters.", { fill: palette.muted }));
  if (!rank) return parts;
  const ticks = [1, ...niceTicks(0, most, 4).filter((tick) => tick > 1 && Number.isInteger(tick) && tick <= most)];
  return [...parts, text(rank.range[0], 12, isNarrow ? "rank" : `Rank range of ${most}`, head), ...xAxis(callable(rank, ticks), top, bottom, palette)];
}

/** The same scale with other ticks. */
function callable(scale, ticks) {
  return Object.assign((value) => scale(value), { range: scale.range, ticks });
}

function ceilingLine(score, table, top, bottom, palette) {
  const ceiling = table.ceiling[0];
  if (!isKnown(ceiling)) return [];
  const x = score(ceiling);
  return [
    line(x, top - 8, x, bottom, palette.muted, { "stroke-dasharray": "3 3" }),
    text(x + 4, top - 11, `ceiling ${correlation(ceiling)}`, { "text-anchor": "end", "font-size": 11, fill: palette.muted }),
  ];
}

function overallRow(row, place, { label, top, score, rank, isNarrow, edge }, palette) {
  const y = top + place * LINE + LINE / 2 + 3;
  const isPicked = row.method === state.method;
  const colour = methodColour(row.method, palette);
  const weight = isPicked ? 600 : 400;
  const shapes = [
    rectangle(0, y - LINE / 2, edge, LINE, isPicked ? palette.band : "transparent"),
    focusRing(1, y - LINE / 2 + 1, edge - 2, LINE - 2, palette),
    text(label - 4, y + 4, cut(methodName(row.method), label - 6, 12, weight), { "text-anchor": "end", "font-weight": weight }),
    text(label + 36, y + 4, correlation(row.score), { "text-anchor": "end", "font-weight": weight }),
    line(score.range[0], y, score(row.low ?? row.score), y, palette.faint, { "stroke-dasharray": "1 4" }),
  ];
  if (isKnown(row.low)) shapes.push(line(score(row.low), y, score(row.high), y, colour, { "stroke-width": 1.5 }));
  shapes.push(symbol(row.method, score(row.score), y, isNarrow ? 3 : 4, palette, !has(row, "above")));
  if (rank && isKnown(row.first)) shapes.push(...rankBar(row, y, rank, isNarrow, palette));
  return mark(`overall-${row.method}`, overallLines(row), shapes, () => pick(row.method));
}

function rankBar(row, y, rank, isNarrow, palette) {
  const [left, right] = [rank(row.first - 0.5), rank(row.last + 0.5)];
  const bar = rectangle(left, y - 3.5, right - left, 7, palette.solid);
  if (isNarrow) return [bar];
  return [
    bar,
    text(rank.range[1] + 6, y + 4, ranks(row), { "font-size": 11, fill: palette.muted }),
  ];
}

function overallLines(row) {
  return [
    methodName(row.method),
    `${correlation(row.score)} ${interval(row)}`,
    isKnown(row.first) ? `rank ${ranks(row)}` : "not ranked",
    `${cost(row, 0)} reference GPU-hours, ${cost(row, 1)} s, ${cost(row, 2)} retrainings`,
  ];
}

function overallTable() {
  const rows = currentTable().rows.filter(isShown);
  const byScore = [...rows].sort((a, b) => (b.score ?? -9) - (a.score ?? -9) || a.method - b.method);
  const columns = [
    column("method", (row) => methodName(row.method), (row) => methodName(row.method), { number: false }),
    column("family", (row) => FAMILIES[CONTENT.methods[row.method].family], (row) => FAMILIES[CONTENT.methods[row.method].family], { number: false }),
    column("Spearman", scoreCell, (row) => row.score),
    column("95 % interval", interval, (row) => row.low),
    column("ranks", ranks, (row) => row.last),
    column("of the ceiling", ofCeiling, (row) => row.score),
    column("reference GPU-hours", (row) => cost(row, 0), (row) => row.costs[0]),
    column("seconds here", (row) => cost(row, 1), (row) => row.costs[1]),
    column("retrainings", (row) => cost(row, 2), (row) => row.costs[2]),
  ];
  return tableOf("overall", `Scores, ranks and the cost of one valuation: ${placeWords()}. ${tableMarks(rows)}`, columns, byScore, (row) => row.method === state.method);
}

function scoreCell(row) {
  if (row.score === null) return row.state || NONE;
  return html("span", { class: has(row, "above") ? "strong" : null }, correlation(row.score) + daggers(row));
}

function ofCeiling(row) {
  const ceiling = currentTable().ceiling[0];
  return isKnown(row.score) && ceiling > 0 ? percent(row.score / ceiling).replace("-", "−") : NONE;
}

function tableMarks(rows) {
  const told = ["Bold: better than random orders."];
  if (rows.some((row) => has(row, "behind"))) told.push("†: told apart from the best, and worse.");
  if (rows.some((row) => has(row, "doubt"))) told.push("‡: agreement tells little here.");
  if (rows.some((row) => has(row, "loaded"))) told.push(CONTENT.words.load);
  return told.join(" ");
}

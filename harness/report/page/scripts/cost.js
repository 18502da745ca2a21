// Cost against accuracy, with the front of those that are worth their cost.

const COST = {
  id: "cost",
  title: "Cost against accuracy",
  lead: () => (frontNow() ? "Each step up the front: a method that scores more than all that cost less, and what it adds." : "No method has this cost."),
  tools: () => [chooser("Cost", "axis", CONTENT.costs.map((name, axis) => [axis, COST_WORDS[name]]))],
  extra: () => (frontNow() ? [stepsTable(frontNow())] : []),
  figures: () => [{ name: "cost", draw: drawCost }],
  caption: () =>
    `${placeWords()}. The line joins the methods that no other beats in both: each cheaper one scores less. It is of all methods, whatever the filters show. Thin lines join one method's settings (knobs). Vertical lines: 95 % intervals, of the front and of the method that is picked. ${axisWords()}`,
  tables: () => [costTable()],
};

function frontNow() {
  return currentTable().fronts.find((front) => front.cost === state.axis);
}

/** What each step up the front costs and brings, and whether it is told apart from the one below. */
function stepsTable(front) {
  const rows = front.methods.map((method) => currentTable().rows.find((row) => row.method === method));
  const cells = (row, place) => [
    cost(row, state.axis),
    `${correlation(row.score)} ${interval(row)}`,
    place ? `+${correlation(row.score - rows[place - 1].score)}` : NONE,
    stepWords(place, Boolean(front.apart[place])),
    percent(shareOf(row, front) ?? 0),
  ];
  const heads = ["step", COST_WORDS[CONTENT.costs[state.axis]], "Spearman", "gain", "told apart from the step below", "on the front in draws"];
  const head = html("tr", {}, ...heads.map((name) => html("th", { scope: "col" }, name)));
  const body = rows.map((row, place) =>
    html("tr", { class: row.method === state.method ? "picked" : null }, html("th", { scope: "row" }, methodName(row.method)), ...cells(row, place).map((cell) => html("td", {}, cell))),
  );
  const label = `Steps up the front: ${placeWords()}`;
  return html("div", { class: "glance", tabindex: 0, role: "region", "aria-label": label }, html("table", { "aria-label": label }, html("thead", {}, head), html("tbody", {}, ...body)));
}

function stepWords(place, isApart) {
  if (place) return isApart ? "yes" : "no";
  return isApart ? "yes, from random orders" : "no, nor from random orders";
}

function axisWords() {
  if (CONTENT.costs[state.axis] === "reference_gpu_hours") return `Hours ${CONTENT.words.hours}.`;
  return CONTENT.costs[state.axis] === "seconds" ? CONTENT.words.load : "";
}

function drawCost(width, palette) {
  const rows = scoredRows().filter((row) => isKnown(row.costs[state.axis]));
  const front = frontNow();
  const members = new Set(front ? front.methods : []);
  const height = Math.max(width < 560 ? 440 : 340, Math.min(640, width * 0.58));
  const svg = drawing(width, height, `Cost against accuracy, ${placeWords()}`, palette);
  if (!rows.length) return emptied(svg, "No method with a score and this cost passes the filters.", palette);
  const plot = costPlot(width, height, front);
  svg.append(...costAxes(plot, palette), ...frontLine(plot, front, palette), ...budgetLines(rows, plot, palette));
  const labels = placedLabels(rows, members, front, plot, width);
  const back = [...rows].sort((a, b) => members.has(a.method) - members.has(b.method));
  svg.append(...back.map((row) => costMark(row, members.has(row.method), labels.get(row.method), plot, front, palette)));
  return withKeys(svg);
}

function emptied(svg, words_, palette) {
  svg.append(text(0, 24, words_, { fill: palette.muted }));
  return svg;
}

function costPlot(width, height, front) {
  const table = currentTable();
  const scored = table.rows.filter((row) => row.score !== null && isKnown(row.costs[state.axis]));
  const truth = table.truth[state.axis];
  const costs = [...scored.map((row) => row.costs[state.axis]), ...(isKnown(truth) ? [truth] : [])];
  const values = scored.flatMap((row) => (front && front.methods.includes(row.method) ? [row.low ?? row.score, row.high ?? row.score] : [row.score]));
  const [top, bottom, left] = [18, height - 40, 44];
  return {
    top,
    bottom,
    left,
    right: width - 14,
    x: logarithmic(costs, [left + 6, width - 26]),
    y: linear(padded([0, ...values, ...table.ceiling.slice(0, 1).filter(isKnown)]), [bottom, top]),
    table,
    truth,
  };
}

function costAxes({ top, bottom, left, right, x, y, table, truth }, palette) {
  const ceiling = table.ceiling[0];
  const parts = [
    ...yAxis(y, left, right, palette, { label: (tick) => tick.toFixed(1).replace("-", "−") }),
    ...logAxis(x, top, bottom, palette),
    text(left - 36, 10, "Spearman with the truth", { "font-size": 11, fill: palette.muted }),
    text(right, bottom + 32, COST_WORDS[CONTENT.costs[state.axis]], { "font-size": 11, fill: palette.muted, "text-anchor": "end" }),
  ];
  if (!isKnown(ceiling)) return parts;
  parts.push(line(left, y(ceiling), right, y(ceiling), palette.muted, { "stroke-dasharray": "3 3" }));
  parts.push(text(right, y(ceiling) + 14, ceilingWords(table, truth), { "font-size": 11, fill: palette.muted, "text-anchor": "end" }));
  if (isKnown(truth)) parts.push(path(SHAPES[3](x(truth), y(ceiling), 4), { fill: palette.paper, stroke: palette.muted }));
  return parts;
}

function ceilingWords(table, truth) {
  return `retraining itself: ceiling ${correlation(table.ceiling[0])}${isKnown(truth) ? `, cost ${amount(truth)}` : ""}`;
}

/** Steps: at each cost, the best score that it buys. */
function frontLine({ x, y, right, table }, front, palette) {
  if (!front || !front.methods.length) return [];
  const points = front.methods.map((method) => table.rows.find((row) => row.method === method)).map((row) => [x(row.costs[state.axis]), y(row.score)]);
  const [first, ...rest] = points;
  const d = `M${round(first[0])},${round(first[1])}${rest.map(([px, py]) => `H${round(px)}V${round(py)}`).join("")}H${right}`;
  return [path(d, { fill: "none", stroke: palette.solid, "stroke-width": 1.5 })];
}

/** Settings of one method, from the cheapest up: what a larger budget brings. */
function budgetLines(rows, { x, y }, palette) {
  const bases = new Map();
  for (const row of rows) {
    const { base } = CONTENT.methods[row.method];
    bases.set(base, [...(bases.get(base) ?? []), row]);
  }
  return [...bases.values()]
    .filter((own) => own.length > 1)
    .map((own) => {
      const rising = own.sort((a, b) => a.costs[state.axis] - b.costs[state.axis]);
      const points = rising.map((row) => `${round(x(row.costs[state.axis]))},${round(y(row.score))}`);
      return path(`M${points.join("L")}`, { class: "budget", fill: "none", stroke: methodColour(own[0].method, palette), opacity: 0.5 });
    });
}

function costMark(row, isFront, label, { x, y }, front, palette) {
  const [px, py] = [x(row.costs[state.axis]), y(row.score)];
  const isPicked = row.method === state.method;
  const colour = methodColour(row.method, palette);
  const shapes = [rectangle(px - 8, py - 8, 16, 16, "transparent"), focusRing(px - 8, py - 8, 16, 16, palette)];
  if ((isFront || isPicked) && isKnown(row.low)) shapes.push(line(px, y(row.low), px, y(row.high), colour, { "stroke-width": 1.25, opacity: 0.7 }));
  shapes.push(symbol(row.method, px, py, isFront || isPicked ? 5 : 3.5, palette, !has(row, "above")));
  if (label) shapes.push(text(label.x, label.y, methodName(row.method), labelStyle(isFront, isPicked, palette)));
  return mark(`cost-${row.method}`, [...overallLines(row), frontWords(row, front)], shapes, () => pick(row.method));
}

function labelStyle(isFront, isPicked, palette) {
  const style = { "font-size": isFront || isPicked ? 12 : 10.5, "font-weight": isPicked ? 600 : 400, fill: isFront || isPicked ? palette.ink : palette.muted };
  return { ...style, stroke: palette.paper, "stroke-width": 3, "paint-order": "stroke", "stroke-linejoin": "round" };
}

function shareOf(row, front) {
  return front ? (front.shares.find(([method]) => method === row.method) ?? [])[1] : undefined;
}

function frontWords(row, front) {
  const share = shareOf(row, front);
  return isKnown(share) ? `on the front in ${percent(share)} of draws` : "";
}

/** Labels where they cover nothing: of the picked method and the front first, then of others as there is room. */
function placedLabels(rows, members, front, { x, y, top, bottom, left, right, table, truth }, width) {
  const rank = (row) => (row.method === state.method ? 0 : members.has(row.method) ? 1 : 2);
  const points = rows.map((row) => [x(row.costs[state.axis]), y(row.score)]);
  const taken = points.map(([px, py]) => [px - 5, py - 5, px + 5, py + 5]);
  if (isKnown(table.ceiling[0])) taken.push([right - widthOf(ceilingWords(table, truth), 11), y(table.ceiling[0]) + 3, right, y(table.ceiling[0]) + 18]);
  const stairs = frontBoxes(front, table, x, y, right);
  const found = new Map();
  for (const row of [...rows].sort((a, b) => rank(a) - rank(b) || b.score - a.score)) {
    const size = rank(row) < 2 ? 12 : 10.5;
    const place = placeOf(x(row.costs[state.axis]), y(row.score), widthOf(methodName(row.method), size, rank(row) ? 400 : 600), size, rank(row) < 2 ? taken : [...taken, ...stairs], [left, top, width, bottom]);
    if (!place) continue;
    taken.push(place.box);
    found.set(row.method, place);
  }
  return found;
}

/** Where the front's line runs flat, which would strike out the name of another. */
function frontBoxes(front, table, x, y, right) {
  const points = (front ? front.methods : []).map((method) => table.rows.find((row) => row.method === method)).map((row) => [x(row.costs[state.axis]), y(row.score)]);
  return points.map(([px, py], place) => [px, py - 1, place + 1 < points.length ? points[place + 1][0] : right, py + 1]);
}

function placeOf(px, py, wide, size, taken, [left, top, right, bottom]) {
  const starts = [[px + 9, py + size * 0.35], [px - 9 - wide, py + size * 0.35], [px + 5, py - 9], [px - 5 - wide, py - 9], [px + 5, py + 9 + size * 0.7], [px - 5 - wide, py + 9 + size * 0.7]];
  for (const [x, y] of starts) {
    const box = [x - 1, y - size * 0.85, x + wide + 1, y + size * 0.25];
    const isInside = box[0] >= left && box[2] <= right && box[1] >= top - 12 && box[3] <= bottom;
    if (isInside && !taken.some((other) => overlap(box, other))) return { x, y, box };
  }
  return null;
}

function overlap(a, b) {
  return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}

function costTable() {
  const front = frontNow();
  const rows = scoredRows().filter((row) => isKnown(row.costs[state.axis]));
  const byCost = [...rows].sort((a, b) => a.costs[state.axis] - b.costs[state.axis] || b.score - a.score);
  const columns = [
    column("method", (row) => methodName(row.method), (row) => methodName(row.method), { number: false }),
    column(COST_WORDS[CONTENT.costs[state.axis]], (row) => cost(row, state.axis), (row) => row.costs[state.axis]),
    column("Spearman", scoreCell, (row) => row.score),
    column("95 % interval", interval, (row) => row.low),
    column("on the front", (row) => (front.methods.includes(row.method) ? "yes" : "no"), (row) => (front.methods.includes(row.method) ? 1 : 0), { number: false }),
    column("in draws", (row) => percent(shareOf(row, front) ?? 0), (row) => shareOf(row, front)),
  ];
  return tableOf("cost", `Cost against accuracy: ${placeWords()}. In draws: how often a method is on the front when scores are drawn anew from their joint uncertainty.`, columns, byCost, (row) => row.method === state.method);
}

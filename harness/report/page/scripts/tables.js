// Data tables: columns say what they show and what they are sorted by.

/**
 * A column: its label, the cell's text, what it is sorted by (null where it is not), whether these are numbers.
 */
function column(label, show, by = null, { number = by !== null, words: isWords = false } = {}) {
  return { label, show, by, number, isWords };
}

/** A table in a box that scrolls; `name` is of its sorting in the address. */
function tableOf(name, caption, columns, rows, isPicked = () => false) {
  const sorted = sortedRows(name, columns, rows);
  const head = html("tr", {}, ...columns.map((one, place) => headCell(name, one, place)));
  const body = sorted.map((row) => html("tr", { class: isPicked(row) ? "picked" : null }, ...columns.map((one, place) => bodyCell(one, row, place))));
  const told = html("p", { class: "note", id: `told-${name}` }, caption);
  const table = html("table", { "aria-labelledby": told.id }, html("thead", {}, head), html("tbody", {}, ...body));
  return html("div", {}, told, html("div", { class: "scroll", tabindex: 0, role: "region", "aria-labelledby": told.id }, table));
}

function sortedRows(name, columns, rows) {
  const [place, down] = state.sorts[name] ?? [-1, false];
  const by = columns[place]?.by;
  if (!by) return rows;
  return rows
    .map((row, at) => [by(row), at, row])
    .sort(([a, i], [b, j]) => ordered(a, b, down) || i - j)
    .map(([, , row]) => row);
}

/** What is unknown comes last, whichever way. */
function ordered(a, b, down) {
  if (!isKnown(a) || !isKnown(b)) return Number(isKnown(b)) - Number(isKnown(a));
  const less = typeof a === "string" ? a.localeCompare(b) : a - b;
  return down ? -less : less;
}

function headCell(name, one, place) {
  const [chosen, down] = state.sorts[name] ?? [-1, false];
  const sort = one.by === null ? null : chosen !== place ? "none" : down ? "descending" : "ascending";
  const cell = html("th", { scope: "col", class: one.number ? "number" : null, "aria-sort": sort });
  if (one.by === null) cell.append(one.label);
  else cell.append(sortButton(name, one, place, chosen === place ? !down : one.number));
  return cell;
}

function sortButton(name, one, place, down) {
  const button = html("button", { type: "button", "data-key": `sort-${name}-${place}` }, one.label);
  button.addEventListener("click", () => change({ sorts: { ...state.sorts, [name]: [place, down] } }));
  return button;
}

function bodyCell(one, row, place) {
  const shown = one.show(row);
  if (place === 0) return html("th", { scope: "row" }, shown);
  return html("td", { class: one.number ? "number" : one.isWords ? "words" : null }, shown);
}

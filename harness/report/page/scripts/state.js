// What is chosen. It stands in the address, so that every view has a link of its own.

const FAMILIES = CONTENT.families;
const TASKS_WITH_TABLES = [ALL, ...CONTENT.tasks.keys()].filter((task) => questionsOf(task).length);

const DEFAULTS = defaults();
let state = { ...DEFAULTS };

function defaults() {
  const task = TASKS_WITH_TABLES[0];
  const question = questionsOf(task)[0];
  return {
    view: "",
    task,
    question,
    method: bestOf(findTable(task, question)),
    pool: 0,
    axis: bestAxis(),
    shade: "",
    scale: "values",
    order: "score",
    colour: "ceiling",
    families: FAMILIES,
    limit: "",
    find: "",
    sorts: {},
  };
}

function bestOf(table) {
  const scored = table.rows.filter((row) => row.score !== null);
  return (scored.length ? scored.reduce((best, row) => (row.score > best.score ? row : best)) : table.rows[0])?.method ?? 0;
}

/** The first cost that any method has. */
function bestAxis() {
  const found = CONTENT.costs.findIndex((_, axis) => CONTENT.tables.some((t) => t.rows.some((row) => row.costs[axis] !== null)));
  return Math.max(found, 0);
}

const BY_NAME = {
  task: { names: CONTENT.tasks, all: "all" },
  question: { names: CONTENT.questions.map((question) => question.name), all: "mean" },
  method: { names: CONTENT.methods.map((method) => method.name) },
  pool: { names: CONTENT.pools.map((pool) => `${CONTENT.tasks[pool.task]}.${pool.pool + 1}`) },
  axis: { names: CONTENT.costs },
};
const AS_TEXT = { shade: null, scale: ["values", "ranks"], order: ["score", "pool"], colour: ["ceiling", "score"], limit: null, find: null };

/** The address's part behind the #, for a view with what is chosen now. */
function hashOf(view) {
  const parts = new URLSearchParams();
  for (const [key, { names, all }] of Object.entries(BY_NAME)) {
    if (state[key] !== DEFAULTS[key]) parts.set(key, state[key] === ALL ? all : names[state[key]]);
  }
  for (const key of Object.keys(AS_TEXT)) if (state[key] !== DEFAULTS[key]) parts.set(key, state[key]);
  if (state.families.length !== FAMILIES.length) parts.set("families", state.families.join(","));
  for (const [table, [column, down]] of Object.entries(state.sorts)) parts.append("sort", `${table}.${column}.${down ? "down" : "up"}`);
  const query = parts.toString();
  return query ? `#${view}?${query}` : `#${view}`;
}

/** What an address chooses; what it names that is not here is left at its default. */
function stateOf(hash) {
  const [view, query = ""] = hash.replace(/^#/, "").split("?");
  const parts = new URLSearchParams(query);
  const found = { ...defaults(), view };
  for (const [key, { names, all }] of Object.entries(BY_NAME)) {
    const place = parts.get(key) === all && all ? ALL : names.indexOf(parts.get(key));
    if (parts.has(key) && (place >= 0 || parts.get(key) === all)) found[key] = place;
  }
  for (const [key, allowed] of Object.entries(AS_TEXT)) {
    if (parts.has(key) && (!allowed || allowed.includes(parts.get(key)))) found[key] = parts.get(key);
  }
  if (parts.has("families")) found.families = FAMILIES.filter((name) => parts.get("families").split(",").includes(name));
  for (const sort of parts.getAll("sort")) {
    const [table, column, direction] = sort.split(".");
    found.sorts[table] = [Number(column), direction === "down"];
  }
  return fitting(found);
}

/** A task has no mean over questions of its own: the last question takes its place. */
function fitting(chosen) {
  const asked = questionsOf(chosen.task);
  return asked.includes(chosen.question) ? chosen : { ...chosen, question: asked[asked.length - 1] };
}

/** Whether the filters let a table's row through. */
function isShown(row) {
  const { name, family } = CONTENT.methods[row.method];
  const cost = row.costs[0];
  return (
    state.families.includes(FAMILIES[family]) &&
    (state.limit === "" || (cost !== null && cost <= Number(state.limit))) &&
    name.toLowerCase().includes(state.find.trim().toLowerCase())
  );
}

function currentTable() {
  return findTable(state.task, state.question);
}

/** Rows of the current table that the filters let through and that have a score, best first. */
function scoredRows(table = currentTable()) {
  return table.rows.filter((row) => row.score !== null && isShown(row)).sort((a, b) => b.score - a.score || a.method - b.method);
}

function placeWords() {
  const where = state.task === ALL ? `Mean over ${count(CONTENT.tasks.length, "task")}` : taskName(state.task);
  return `${where}, ${questionName(state.question)}`;
}

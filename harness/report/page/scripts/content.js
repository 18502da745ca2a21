// What the page holds: names once, and numbers that refer to them by place (harness/report/page/content.py).

const CONTENT = JSON.parse(document.getElementById("content").textContent);
const ALL = -1; // of tasks or questions: their mean

for (const table of CONTENT.tables) table.rows = table.rows.map(named);
for (const points of CONTENT.points) {
  points.rows = new Map(points.rows.map((row) => [row[0], row]));
  points.starts = startsOf(points);
}

/** Where each pool's values begin in a row's codes, and where the last one's end. */
function startsOf(points) {
  const sizeOf = (number) => CONTENT.pools.find((pool) => pool.task === points.task && pool.pool === number).contributors.length;
  const starts = [0];
  for (const number of points.pools) starts.push(starts[starts.length - 1] + digitsOf(sizeOf(number)) * Math.ceil(sizeOf(number) / 2));
  return starts;
}

/** Digits of two values, which are places on a grid of 8 ** digits points: enough for all contributors to differ. */
function digitsOf(contributors) {
  let digits = CONTENT.digits;
  while (8 ** digits < contributors) digits += 1;
  return digits;
}

function named(row) {
  return Object.fromEntries(CONTENT.row.map((name, place) => [name, row[place]]));
}

function has(row, mark) {
  return (row.marks & CONTENT.marks[mark]) !== 0;
}

function findTable(task, question) {
  return CONTENT.tables.find((table) => table.task === task && table.question === question);
}

function findPoints(task, question) {
  return CONTENT.points.find((points) => points.task === task && points.question === question);
}

function findFeature(task, question) {
  return CONTENT.features.find((found) => found.task === task && found.question === question);
}

/** Questions, ALL too, that a task (or ALL) has a table of. */
function questionsOf(task) {
  const asked = CONTENT.tables.filter((table) => table.task === task).map((table) => table.question);
  return asked.sort((a, b) => a - b);
}

function methodName(method) {
  return CONTENT.methods[method].name;
}

function taskName(task) {
  return task === ALL ? "all tasks" : CONTENT.tasks[task];
}

function questionName(question) {
  return question === ALL ? "mean over questions" : CONTENT.questions[question].name;
}

function poolName(pool) {
  return `${CONTENT.tasks[pool.task]}, pool ${pool.pool + 1}`;
}

/** A method's values of a pool's contributors; null where it has none there. */
function valuesOf(points, method, place) {
  const row = points.rows.get(method);
  if (!row) return null;
  const [, , codes, lows, highs] = row;
  const contributors = points.truths[place].length;
  const grid = decoded(CONTENT.codes[codes].slice(points.starts[place], points.starts[place + 1]), contributors);
  const step = (highs[place] - lows[place]) / (8 ** digitsOf(contributors) - 1);
  return grid.map((at) => lows[place] + step * at);
}

function decoded(text, contributors) {
  const digits = digitsOf(contributors);
  const pairs = Array.from({ length: text.length / digits }, (_, k) =>
    [...text.slice(k * digits, (k + 1) * digits)].reduce((sum, character) => sum * CONTENT.alphabet.length + CONTENT.alphabet.indexOf(character), 0),
  );
  return pairs.flatMap((pair) => [Math.floor(pair / 8 ** digits), pair % 8 ** digits]).slice(0, contributors);
}

/** Places from 1 for the largest down; ties share their mean place. */
function ranksOf(values) {
  return values.map((own) => {
    const above = values.filter((other) => other > own).length;
    const tied = values.filter((other) => other === own).length;
    return above + (tied + 1) / 2;
  });
}

/** A method's score in each pool of a task: of a question, or the mean over all of them where each has one. */
function poolScores(task, question, method) {
  const asked = question === ALL ? CONTENT.questions.map((_, q) => q) : [question];
  const found = asked.map((q) => scoresByPool(findPoints(task, q), method));
  return new Map([...found[0]].map(([pool]) => [pool, mean(found.map((scores) => scores.get(pool) ?? NaN))]));
}

function scoresByPool(points, method) {
  const row = points && points.rows.get(method);
  if (!row) return new Map();
  return new Map(points.pools.map((pool, place) => [pool, row[1][place] === null ? NaN : row[1][place] / 1000]));
}

function mean(numbers) {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

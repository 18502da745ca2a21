// What can be chosen: task, question, method and filters for all views, and each view's own.

const LIMITS = [["", "any"], ["0", "0"], ["1", "up to 1"], ["10", "up to 10"], ["100", "up to 100"], ["1000", "up to 1,000"]];

/** A list to choose a state's value from. */
function chooser(label, key, options) {
  const list = html("select", { "data-key": `choose-${key}` });
  for (const [value, name] of options) list.append(html("option", { value, selected: String(state[key]) === String(value) }, name));
  const isNumber = typeof DEFAULTS[key] === "number";
  list.addEventListener("change", () => change({ [key]: isNumber ? Number(list.value) : list.value }));
  return html("label", { class: "control" }, html("span", {}, label), list);
}

function finder() {
  const box = html("input", { type: "search", "data-key": "find", value: state.find, autocomplete: "off", spellcheck: "false" });
  box.addEventListener("input", () => change({ find: box.value }));
  return html("label", { class: "control" }, html("span", {}, "Name contains"), box);
}

/** Families with their symbols: filter and legend in one. */
function familyBoxes() {
  const boxes = FAMILIES.map((family) => {
    const box = html("input", { type: "checkbox", checked: state.families.includes(family), "data-key": `family-${family}` });
    box.addEventListener("change", () => change({ families: FAMILIES.filter((name) => (name === family ? box.checked : state.families.includes(name))) }));
    return html("label", {}, box, familySymbol(family), family);
  });
  return html("fieldset", {}, html("legend", {}, "Families"), ...boxes);
}

function familySymbol(family) {
  const colour = paletteNow().families[familyStyle(family)];
  const shape = path(SHAPES[familyStyle(family)](7, 7, 4.5), { fill: colour, stroke: colour });
  return node("svg", { width: 14, height: 14, viewBox: "0 0 14 14", "aria-hidden": "true" }, shape);
}

function resetButton() {
  const button = html("button", { type: "button", "data-key": "reset" }, "Reset");
  button.addEventListener("click", () => change({ ...defaults(), view: state.view }));
  return button;
}

function fillControls() {
  const form = document.getElementById("controls");
  const tasks = TASKS_WITH_TABLES.map((task) => [task, taskName(task)]);
  const questions = questionsOf(state.task).map((question) => [question, questionName(question)]);
  const methods = CONTENT.methods.map((method, place) => [place, method.name]);
  const choosers = [chooser("Task", "task", tasks), chooser("Question", "question", questions), chooser("Picked method", "method", methods)];
  form.replaceChildren(...choosers, familyBoxes(), chooser("GPU-hours", "limit", LIMITS), finder(), resetButton());
  form.hidden = false;
}

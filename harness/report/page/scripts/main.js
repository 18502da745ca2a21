// Views on the page: made once, filled anew whenever something else is chosen.

const VIEWS = [OVERALL, COST, TASKS, POOLS, CONTRIBUTORS, PLANTED, PROVENANCE].filter((view) => view !== CONTRIBUTORS || CONTENT.points.length);
const GAP = 32; // between panels that stand side by side

function makeView(view) {
  const link = html("a", { class: "link", href: `#${view.id}`, "aria-label": `Link to ${view.title}` }, "#");
  const parts = {
    title: html("h2", { tabindex: -1 }, view.title, " ", link),
    lead: html("p"),
    tools: html("div", { class: "tools" }),
    extra: html("div", { class: "extra" }),
    panels: html("div", { class: "panels" }),
    caption: html("p", { class: "note" }),
    data: html("details", { open: Boolean(view.isOpen) }, html("summary", {}, "Data table", html("span", { class: "hidden" }, `: ${view.title}`)), html("div", {})),
  };
  document.getElementById("views").append(html("section", { id: view.id, "aria-label": view.title }, ...Object.values(parts)));
  parts.data.addEventListener("toggle", () => fillTables(view, parts));
  return { view, link, ...parts };
}

const MADE = VIEWS.map(makeView);

function fillView(made) {
  const { view, lead, tools, extra, panels, caption, link, data } = made;
  link.href = hashOf(view.id);
  lead.textContent = view.lead();
  tools.replaceChildren(...view.tools());
  for (const list of tools.querySelectorAll("[data-key]")) list.dataset.key = `${view.id}-${list.dataset.key}`; // unique
  extra.replaceChildren(...(view.extra ? view.extra() : []));
  panels.replaceChildren(...view.figures().map((figure_) => figureElement(figure_, panels.clientWidth)));
  caption.textContent = view.caption();
  caption.hidden = !caption.textContent;
  fillTables(view, made);
  data.hidden = !view.tables().length;
}

/** A closed table is not made. */
function fillTables(view, { data }) {
  data.lastElementChild.replaceChildren(...(data.open ? view.tables() : []));
}

function figureElement(figure_, available) {
  const beside = available < 640 ? 1 : Math.min(figure_.share ?? 1, 3);
  const width = Math.floor((Math.min(available || WIDTH, 1088) - GAP * (beside - 1)) / beside);
  const drawn = html("div", { class: "drawing" }, figure_.draw(Math.max(width, 260), paletteNow()));
  const title = figure_.title ? [html("h3", {}, figure_.title)] : [];
  return html("figure", { class: beside > 1 ? "beside" : null }, ...title, drawn, saveButtons(figure_));
}

/** Fill everything anew; who was at a control or mark stays there. */
function render() {
  hideTip();
  const key = document.activeElement?.getAttribute("data-key");
  const caret = document.activeElement?.selectionStart;
  const places = MADE.map(({ data }) => [...data.querySelectorAll(".scroll")].map((box) => [box.scrollTop, box.scrollLeft]));
  fillControls();
  MADE.forEach(fillView);
  fillLinks();
  MADE.forEach(({ data }, at) => [...data.querySelectorAll(".scroll")].forEach((box, k) => places[at][k] && box.scrollTo(places[at][k][1], places[at][k][0])));
  if (key) backTo(key, caret);
  tellShown();
}

/** Links to views keep what is chosen. */
function fillLinks() {
  for (const link of document.querySelectorAll("nav a, .skip")) {
    const view = link.hash.slice(1).split("?")[0];
    link.href = hashOf(view);
    link.hidden = !document.getElementById(view);
  }
}

function backTo(key, caret) {
  const element = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!element || element === document.activeElement) return;
  if (element.classList.contains("mark")) reachable(element);
  element.focus({ preventScroll: true });
  if (caret !== undefined && caret !== null && element.setSelectionRange) element.setSelectionRange(caret, caret);
}

function reachable(element) {
  for (const other of element.ownerSVGElement.querySelectorAll('[tabindex="0"]')) other.setAttribute("tabindex", -1);
  element.setAttribute("tabindex", 0);
}

function tellShown() {
  const rows = currentTable().rows;
  document.getElementById("status").textContent = `${rows.filter(isShown).length} of ${count(rows.length, "method")} shown; ${placeWords()}; picked ${methodName(state.method)}`;
}

/** Choose something else. */
function change(patch) {
  const moved = patch.task !== undefined && patch.task !== state.task ? { pool: poolOfTask(patch.task) } : {};
  state = fitting({ ...state, ...moved, ...patch });
  history.replaceState(null, "", hashOf(state.view) || "#");
  render();
}

/** A task's first pool, if the chosen one is of another. */
function poolOfTask(task) {
  if (task === ALL || CONTENT.pools[state.pool]?.task === task) return state.pool;
  return Math.max(CONTENT.pools.findIndex((pool) => pool.task === task), 0);
}

function pick(method) {
  change({ method });
}

function follow() {
  state = stateOf(location.hash);
  render();
  const section = document.getElementById(state.view);
  if (!section) return;
  section.scrollIntoView();
  section.querySelector("h2").focus({ preventScroll: true }); // the next tab goes on from here, and it is read out
}

/** Paper is light, and nothing on it can be opened. */
function printing(is) {
  isPrinting = is;
  for (const { data, view } of MADE) data.open = is || Boolean(view.isOpen);
  render();
}

let width = innerWidth;
addEventListener("hashchange", follow);
addEventListener("resize", () => {
  if (innerWidth === width) return; // a phone's address bar changes the height alone
  width = innerWidth;
  render();
});
addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
for (const moved of ["wheel", "touchmove"]) addEventListener(moved, hideTip, { passive: true });
addEventListener("beforeprint", () => printing(true));
addEventListener("afterprint", () => printing(false));
DARK.addEventListener("change", render);
document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
follow();

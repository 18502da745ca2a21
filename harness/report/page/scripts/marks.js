// Marks of figures that can be pointed at, reached by keyboard, and picked; what they say stands in a tip beside them.

const TIP = document.getElementById("tip");

/**
 * A group of shapes that says something.
 *
 * A figure is one stop of the tabulator; arrows go from mark to mark, Enter or a click picks.
 */
function mark(key, lines, shapes, pick = null) {
  const attributes = { class: pick ? "mark picks" : "mark", "data-key": key, tabindex: -1, role: pick ? "button" : "img", "aria-label": lines.join(", ") };
  const group = node("g", attributes, ...shapes);
  const show = () => showTip(lines, group);
  group.addEventListener("pointerenter", show);
  group.addEventListener("focus", show);
  for (const ended of ["pointerleave", "blur"]) group.addEventListener(ended, hideTip);
  if (pick) group.addEventListener("click", pick);
  if (pick) group.addEventListener("keydown", (event) => ["Enter", " "].includes(event.key) && (event.preventDefault(), pick()));
  return group;
}

function showTip(lines, group) {
  TIP.textContent = lines.join("\n");
  TIP.hidden = false;
  const box = group.getBoundingClientRect();
  const own = TIP.getBoundingClientRect();
  const above = box.top - own.height - 8;
  const middle = (Math.max(box.left, 0) + Math.min(box.right, innerWidth)) / 2;
  TIP.style.left = `${Math.min(Math.max(8, middle - own.width / 2), innerWidth - own.width - 8)}px`;
  TIP.style.top = `${above > 0 ? above : Math.min(box.bottom + 8, innerHeight - own.height - 8)}px`;
}

function hideTip() {
  TIP.hidden = true;
}

/** Make a drawing's marks one stop of the tabulator, with arrows between them. */
function withKeys(svg) {
  const marks = [...svg.querySelectorAll(".mark")];
  if (!marks.length) return svg;
  marks[0].setAttribute("tabindex", 0);
  svg.addEventListener("keydown", (event) => {
    const from = document.activeElement.closest(".mark");
    const to = from && target(event.key, from, marks);
    if (!to) return;
    event.preventDefault();
    from.setAttribute("tabindex", -1);
    to.setAttribute("tabindex", 0);
    to.focus();
  });
  return svg;
}

const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The mark that a key leads to: the nearest one that way, or the first or last. */
function target(key, from, marks) {
  if (key === "Home") return marks[0];
  if (key === "End") return marks[marks.length - 1];
  const way = DIRECTIONS[key];
  if (!way) return null;
  const [x, y] = middleOf(from);
  const reach = (to) => {
    const [dx, dy] = [middleOf(to)[0] - x, middleOf(to)[1] - y];
    const along = dx * way[0] + dy * way[1];
    const aside = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
    return along > 0.5 ? along + 3 * aside : Infinity;
  };
  const nearest = marks.reduce((best, to) => (reach(to) < reach(best) ? to : best), from);
  return nearest === from ? null : nearest;
}

function middleOf(element) {
  const box = element.getBoundingClientRect();
  return [box.left + box.width / 2, box.top + box.height / 2];
}

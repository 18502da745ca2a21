// Drawing: elements of SVG, text and its width. Text is always set as text, whatever a name holds.

const SVG = "http://www.w3.org/2000/svg";
const FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif";
const BRUSH = document.createElement("canvas").getContext("2d");

function node(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function html(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  element.append(...children.flat().filter((child) => child !== null));
  return element;
}

/** An empty drawing of a size, with a name for those who cannot see it. */
function drawing(width, height, label, palette) {
  const size = { width, height, viewBox: `0 0 ${width} ${height}` };
  const text = { "font-family": FONT, "font-size": 12, fill: palette.ink };
  return node("svg", { xmlns: SVG, ...size, ...text, role: "group", "aria-label": label });
}

function text(x, y, content, attributes = {}) {
  return node("text", { x: round(x), y: round(y), ...attributes }, String(content));
}

function line(x1, y1, x2, y2, stroke, attributes = {}) {
  return node("line", { x1: round(x1), y1: round(y1), x2: round(x2), y2: round(y2), stroke, ...attributes });
}

function rectangle(x, y, width, height, fill, attributes = {}) {
  return node("rect", { x: round(x), y: round(y), width: round(Math.max(width, 0)), height: round(height), fill, ...attributes });
}

function path(d, attributes) {
  return node("path", { d, ...attributes });
}

function round(value) {
  return Math.round(value * 10) / 10;
}

function widthOf(content, size = 12, weight = 400) {
  BRUSH.font = `${weight} ${size}px ${FONT}`;
  return BRUSH.measureText(content).width;
}

/** A text as it is, or with its middle left out to fit: names differ at both ends. */
function cut(content, width, size = 12, weight = 400) {
  let shown = content;
  for (let kept = content.length - 1; kept > 1 && widthOf(shown, size, weight) > width; kept -= 1) {
    shown = `${content.slice(0, Math.ceil(kept / 2))}…${content.slice(content.length - Math.floor(kept / 2))}`;
  }
  return shown;
}

const SHAPES = [
  (x, y, r) => `M${x - r},${y}a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0Z`,
  (x, y, r) => `M${x},${y - 1.2 * r}L${x + 1.1 * r},${y + 0.8 * r}H${x - 1.1 * r}Z`,
  (x, y, r) => `M${x - 0.9 * r},${y - 0.9 * r}h${1.8 * r}v${1.8 * r}h${-1.8 * r}Z`,
  (x, y, r) => `M${x},${y - 1.25 * r}L${x + 1.25 * r},${y}L${x},${y + 1.25 * r}L${x - 1.25 * r},${y}Z`,
];

/** A method's symbol: its family's shape and colour, hollow where asked. */
function symbol(method, x, y, r, palette, hollow = false) {
  const family = familyStyle(FAMILIES[CONTENT.methods[method].family]);
  const colour = palette.families[family];
  return path(SHAPES[family](round(x), round(y), r), { fill: hollow ? palette.paper : colour, stroke: colour, "stroke-width": 1.25 });
}

/** What keyboards show where they are. */
function focusRing(x, y, width, height, palette) {
  return rectangle(x, y, width, height, "none", { class: "focus", stroke: palette.ink, "stroke-width": 2 });
}

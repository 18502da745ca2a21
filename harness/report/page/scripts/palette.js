// Colours of figures; what must be seen has 3:1 with the paper, text 4.5:1 (faint and grid only guide the eye). Families have a colour (Okabe and Ito's, told apart by all kinds of sight) and a shape.

const PALETTES = {
  light: {
    paper: "#ffffff",
    ink: "#1b1c1e",
    muted: "#5c6066",
    faint: "#b4b8be",
    solid: "#868b93",
    grid: "#e6e8eb",
    band: "#f3f4f6",
    families: ["#0072b2", "#c4540a", "#00795a", "#5c6066"],
    high: "#08457e",
    low: "#a34a00",
  },
  dark: {
    paper: "#16181b",
    ink: "#e6e7e9",
    muted: "#a3a8af",
    faint: "#61666d",
    solid: "#7d838b",
    grid: "#2b2f34",
    band: "#212429",
    families: ["#62b5ec", "#f0995a", "#3fc49b", "#a3a8af"],
    high: "#8cc7f5",
    low: "#f0a05a",
  },
};
const DARK = window.matchMedia("(prefers-color-scheme: dark)");
const FAMILY_ORDER = ["set function", "additive", "retraining", "unknown"];

let isPrinting = false;

function paletteNow() {
  return DARK.matches && !isPrinting ? PALETTES.dark : PALETTES.light;
}

function familyStyle(family) {
  return Math.max(FAMILY_ORDER.indexOf(family), 0);
}

function methodColour(method, palette) {
  return palette.families[familyStyle(FAMILIES[CONTENT.methods[method].family])];
}

function mixed(from, to, share) {
  const channel = (colour, at) => parseInt(colour.slice(at, at + 2), 16);
  const part = (at) => Math.round(channel(from, at) + (channel(to, at) - channel(from, at)) * share);
  return `#${[1, 3, 5].map((at) => part(at).toString(16).padStart(2, "0")).join("")}`;
}

/** From the paper at 0 to blue at 1 and orange at -1. */
function diverging(value, palette) {
  const share = Math.min(Math.abs(value), 1);
  return mixed(palette.paper, value < 0 ? palette.low : palette.high, share);
}

/** Black or white, whichever has more contrast with a colour: one of them always has 4.5:1, as WCAG counts it. */
function readable(colour) {
  return (luminance(colour) + 0.05) ** 2 > 0.05 * 1.05 ? "#000000" : "#ffffff";
}

/** Relative luminance of sRGB, from 0 to 1. */
function luminance(colour) {
  const linear = [1, 3, 5].map((at) => {
    const share = parseInt(colour.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

// A figure as a file: drawn again, light and at one width, whatever the screen.

const WIDTH = 900;

function saveButtons(figure_) {
  const make = (kind, save) => {
    const button = html("button", { type: "button", "aria-label": `Save ${figure_.name} as ${kind}`, "data-key": `save-${figure_.name}-${kind}` }, kind);
    button.addEventListener("click", save);
    return button;
  };
  const name = `${CONTENT.name}-${figure_.name}`.replace(/[^\w.-]+/g, "-");
  return html(
    "span",
    { class: "saves" },
    "Save as",
    make("SVG", () => saveBlob(svgBlob(figure_), `${name}.svg`)),
    make("PNG", () => pngBlob(figure_).then((blob) => saveBlob(blob, `${name}.png`))),
  );
}

/** The drawing as a file of its own, with its paper. */
function standalone(figure_) {
  const svg = figure_.draw(figure_.share > 1 ? WIDTH / 2 : WIDTH, PALETTES.light);
  for (const group of svg.querySelectorAll(".mark")) for (const name of ["tabindex", "role", "class", "data-key"]) group.removeAttribute(name);
  for (const ring of svg.querySelectorAll(".focus")) ring.remove();
  svg.prepend(node("title", {}, svg.getAttribute("aria-label")), rectangle(0, 0, svg.getAttribute("width"), svg.getAttribute("height"), PALETTES.light.paper));
  return new XMLSerializer().serializeToString(svg);
}

function svgBlob(figure_) {
  return new Blob([standalone(figure_)], { type: "image/svg+xml" });
}

async function pngBlob(figure_) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(standalone(figure_))}`;
  await image.decode();
  const canvas = html("canvas", { width: image.width * 2, height: image.height * 2 });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function saveBlob(blob, name) {
  const link = html("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// Where the numbers came from, how to make them again, and what is told of rows.

const PROVENANCE = {
  id: "provenance",
  title: "Where this came from",
  lead: () => "The results that this page is drawn from name the runs that made them.",
  tools: () => [],
  figures: () => [],
  extra: () => [...CONTENT.runs.flatMap(runParts), ...againParts()],
  caption: () => "",
  tables: () => (CONTENT.notes.length ? [notesTable()] : []),
};

const RUN_WORDS = { command: "command", started: "started", commit: "commit", processor: "processor", threads: "threads", device: "device", system: "system", python: "Python", packages: "packages" };

function runParts(run) {
  const known = Object.keys(RUN_WORDS).filter((key) => run[key]);
  const list = html("dl", {}, ...known.flatMap((key) => [html("dt", {}, RUN_WORDS[key]), html("dd", {}, run[key])]));
  return [html("h3", {}, `Run ${run.run}`), list];
}

function againParts() {
  const runs = CONTENT.runs.filter((run) => run.commit && run.command);
  const made = runs.flatMap((run) => [`git checkout ${run.commit}`, run.command]);
  const commands = [...made, `dataworth report --suite ${CONTENT.name}`].join("\n");
  return [html("h3", {}, "To make it again"), html("pre", { tabindex: 0, "aria-label": "Commands" }, commands)];
}

function notesTable() {
  const columns = ["task", "method", "status", "reason"].map((label, place) =>
    column(label, (note) => note[place], (note) => note[place], { number: false, words: label === "reason" }),
  );
  return tableOf("notes", "Notes on rows: why a method has no score, and what is weak or doubtful about a truth.", columns, CONTENT.notes);
}

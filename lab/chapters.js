// How JupyterLab shows a chapter: predictions wait, solutions fold, links arrive. It is
// an extension that needs no build: JupyterLab loads this file as it is, and asks the
// container at its end for the plugin. CONTRIBUTING.md says what it does, under
// "In JupyterLab"; the words readers see are here and in chapters.css.

const PREDICTION = /^:{3,}\{admonition\}[^\n]*\n:class: predict$/m;
const FENCED = /^(`{3,}|:{3,})[^]*?^\1/gm;
const MARKER = /^:{3,}\{solution-(start|end)\}/m;

const sourceOf = (cell) => cell.model.sharedModel.getSource();
const tagsOf = (cell) => cell.model.getMetadata("tags") ?? [];
const isCode = (cell) => cell.model.type === "code";
const isProof = (cell) => isCode(cell) && tagsOf(cell).includes("proof");
const asks = (cell) => !isCode(cell) && PREDICTION.test(sourceOf(cell));
const opensSection = (cell) =>
  !isCode(cell) && /^#+ /m.test(sourceOf(cell).replace(FENCED, ""));
const marker = (cell) => !isCode(cell) && MARKER.exec(sourceOf(cell))?.[1];

// What follows each prediction, as on the site: code to run, then what answers it.
function predictions(cells) {
  return cells.flatMap((cell, i) => {
    if (!asks(cell)) return [];
    const rest = cells.slice(i + 1);
    const end = rest.findIndex((next) => opensSection(next) || asks(next));
    const following = end < 0 ? rest : rest.slice(0, end);
    const start = following.findIndex(isCode);
    if (start < 0) return [];
    const told = following.findIndex((next, k) => k > start && !isCode(next));
    const first = told < 0 ? following : following.slice(0, told);
    const run = first.filter((next) => isCode(next) && !isProof(next));
    return [{run, answer: following.slice(start).filter((next) => !run.includes(next))}];
  });
}

// The cells between the two markers of each solution.
function solutions(cells) {
  return cells.flatMap((cell, i) => {
    if (marker(cell) !== "start") return [];
    const rest = cells.slice(i + 1);
    const end = rest.findIndex((next) => marker(next) === "end");
    return end < 0 ? [] : [{card: cell, inside: rest.slice(0, end), end: rest[end]}];
  });
}

class Chapter {
  constructor(notebook) {
    this.notebook = notebook;
    this.watched = new WeakSet();
    this.notes = new Map();
    this.hidden = new Set();
    notebook.model.contentChanged.connect(this.plan, this);
    notebook.activeCellChanged.connect(this.stepOver, this);
    // A card is a <details> that jupyterlab-myst renders, whenever it likes.
    notebook.node.addEventListener("toggle", () => this.update(), true);
    notebook.node.classList.add("course");
    this.plan();
  }

  // Once for many changes.
  plan() {
    this.planned ??= requestAnimationFrame(() => {
      this.planned = null;
      if (!this.notebook.isDisposed) this.update();
    });
  }

  update() {
    const cells = [...this.notebook.widgets];
    const hide = new Set();
    const notes = new Set();
    for (const {run, answer} of predictions(cells)) {
      for (const cell of run) {
        if (this.watched.has(cell)) continue;
        this.watched.add(cell);
        cell.model.metadataChanged.connect(this.plan, this);
      }
      // JupyterLab unfolds an output when its cell runs, and keeps that when it saves.
      const waiting = run.filter((c) => c.model.getMetadata("jupyter")?.outputs_hidden);
      for (const cell of run)
        cell.node.classList.toggle("course-waits", waiting.includes(cell));
      if (!waiting.length) continue;
      answer.forEach((cell) => hide.add(cell));
      notes.add(waiting.at(-1));
    }
    for (const {card, inside, end} of solutions(cells)) {
      const details = card.node.querySelector("details");
      card.node.classList.add("course-solution");
      end.node.classList.add("course-end");
      if (!details?.open) [...inside, end].forEach((cell) => hide.add(cell));
      else inside.filter((cell) => this.hidden.has(cell)).forEach(unfold);
    }
    for (const cell of cells) {
      cell.node.classList.toggle("course-proof", isProof(cell));
      if (hide.has(cell) === this.hidden.has(cell)) continue;
      // JupyterLab shows what a heading folds by `setHidden`, too: the class stays.
      cell.node.classList.toggle("course-hidden", hide.has(cell));
      cell.setHidden(hide.has(cell));
    }
    this.hidden = hide;
    for (const [cell, note] of this.notes)
      if (!notes.has(cell)) {
        note.remove();
        this.notes.delete(cell);
      }
    for (const cell of notes) if (!this.notes.has(cell)) this.addNote(cell);
  }

  addNote(cell) {
    const note = document.createElement("p");
    note.className = "course-note";
    note.append("Guess first, then run the cell. What comes out, and why, appears here. ");
    const button = note.appendChild(document.createElement("button"));
    button.textContent = "Show it without running";
    button.addEventListener("click", () => {
      const all = predictions([...this.notebook.widgets]);
      for (const other of all.find(({run}) => run.includes(cell)).run)
        other.outputHidden = false;
    });
    cell.node.append(note);
    this.notes.set(cell, note);
  }

  // Shift+Enter goes from cell to cell: not into what nobody sees.
  stepOver() {
    const {notebook} = this;
    const from = this.before ?? 0;
    let to = notebook.activeCellIndex;
    const step = to < from ? -1 : 1;
    while (this.hidden.has(notebook.widgets[to])) to += step;
    this.before = to;
    if (to !== notebook.activeCellIndex && notebook.widgets[to])
      notebook.activeCellIndex = to;
  }
}

// The metadata stay as they are: a chapter that is saved keeps its solutions folded.
function unfold(cell) {
  if (isProof(cell)) return;
  cell.syncCollapse = false;
  cell.inputHidden = false;
  if (isCode(cell)) cell.outputHidden = false;
}

// Each Markdown cell that jupyterlab-myst 2.7 renders has all cells of the notebook
// rendered once more, which makes a long chapter slow to open: here a burst of cells
// asks for that once.
function renderTogether(factory) {
  const create = factory.createMarkdownCell;
  if (factory.rendersTogether) return;
  factory.rendersTogether = true;
  factory.createMarkdownCell = (options) => {
    const cell = create.call(factory, options);
    const kind = Object.getPrototypeOf(cell);
    if (Object.hasOwn(kind, "updateFragmentMDAST") && !kind.rendersTogether) {
      const renderAll = kind.render;
      const bursts = new WeakMap();
      kind.rendersTogether = true;
      kind.render = async function () {
        await this.updateFragmentMDAST();
        const notebook = this.parent;
        if (!this.isAttached || !notebook) return;
        const burst = bursts.get(notebook) ?? {cells: new Set()};
        bursts.set(notebook, burst);
        burst.cells.add(this);
        clearTimeout(burst.timer);
        burst.timer = setTimeout(async () => {
          bursts.delete(notebook);
          const cells = [...burst.cells].filter((c) => c.isAttached && c.rendered);
          if (!cells.length) return;
          await renderAll.call(cells.pop());
          for (const other of cells) other.inputArea.renderInput(other._mystWidget);
        }, 50);
      };
    }
    return cell;
  };
}

// JupyterLab looks for headings by its own anchors, jupyterlab-myst sets others.
function tidy(node) {
  for (const text of node.querySelectorAll(".heading-text")) {
    const heading = text.parentElement;
    if (!heading.dataset.jupyterId)
      heading.dataset.jupyterId = text.textContent.replace(/ /g, "-");
  }
  // A mark for the site, which jupyterlab-myst takes for text.
  for (const list of node.querySelectorAll(".myst dl")) {
    const mark = list.previousElementSibling;
    if (mark?.textContent.trim() === "{.glossary}") mark.hidden = true;
  }
}

// Where a link leads: an anchor that jupyterlab-myst sets, or a term of the glossary.
function find(node, anchor) {
  const wanted = anchor.toLowerCase();
  const terms = node.querySelectorAll("dt");
  return (
    node.querySelector(`.myst [id=${JSON.stringify(anchor)}]`) ??
    [...terms].find(
      (dt) => `term-${dt.textContent.trim().replace(/ /g, "-")}`.toLowerCase() === wanted,
    )
  );
}

// What is rendered later may be what is looked for: ten seconds are enough for a chapter.
async function land(node, fragment, otherwise) {
  const anchor = decodeURIComponent(fragment.replace(/^#/, ""));
  for (let tries = 0; anchor && tries < 50; tries++) {
    const target = find(node, anchor);
    if (target) return target.scrollIntoView({block: "start"});
    await new Promise((done) => setTimeout(done, 200));
  }
  otherwise(fragment);
}

function attend(view, widget) {
  const {node} = view;
  const observer = new MutationObserver(() => {
    tidy(node);
    chapter?.plan();
  });
  const before = view.setFragment.bind(view);
  view.setFragment = (fragment) => void land(node, fragment, before);
  let chapter = null;
  if (view.contentFactory) renderTogether(view.contentFactory);
  widget.context.ready.then(() => {
    if (view.isDisposed) return;
    if (view.model?.cells) chapter = new Chapter(view);
    tidy(node);
    observer.observe(node, {childList: true, subtree: true});
  });
  widget.disposed.connect(() => observer.disconnect());
}

const base = document.currentScript.src.replace(/[^/]*$/, "");
const plugin = {
  id: "first-tensor:chapters",
  autoStart: true,
  activate(app) {
    const style = document.head.appendChild(document.createElement("link"));
    style.rel = "stylesheet";
    style.href = `${base}chapters.css`;
    for (const factory of ["Notebook", "Markdown Preview"])
      app.docRegistry.addWidgetExtension(factory, {
        createNew: (widget) => attend(widget.content, widget),
      });
  },
};

// The form in which webpack hands over a module.
var _JUPYTERLAB = window._JUPYTERLAB ?? {};
_JUPYTERLAB["first-tensor"] = {
  init: () => {},
  get: () => Promise.resolve(() => ({__esModule: true, default: plugin})),
};

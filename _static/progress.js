// How far the reader is: sections, exercises and chapters to tick, and where to go on.
// Loaded in the head, after `courseMemory` and the list `courseSections`, and called
// where its elements stand: nothing changes after it was painted.

const readingProgress = (() => {
  const memory = courseMemory;
  const {topic} = document.documentElement.dataset;
  const here = courseSections.find((chapter) => chapter.topic === topic);
  const marks = document.head.appendChild(document.createElement("style"));
  const painters = [];

  const isFinished = (chapter) => memory.get("chapter", chapter.topic) === true;
  const exercisesDone = (chapter, {exercises}) =>
    exercises.filter((cell) => memory.get("exercise", `${chapter.topic}/${cell}`)).length;
  const isDone = (chapter, section) =>
    section.exercises
      ? exercisesDone(chapter, section) === section.exercises.length
      : memory.get("section", `${chapter.topic}/${section.cell}`) === true;

  // What a first reading goes through; exercises have their own count.
  const core = (chapter) =>
    chapter.sections.filter(({deeper, exercises}) => !deeper && !exercises);
  const coreDone = (chapter) =>
    core(chapter).filter((section) => isDone(chapter, section)).length;

  // Ticks and counts are a style sheet: it holds for links that are not there yet.
  const mark = (links, text, quiet) =>
    `:is(${links})::after { content: " ${text}"; content: " ${text}" / " ${text}"; ` +
    `${quiet ? "font-size: 0.85em; color: var(--pst-color-text-muted);" : ""} }\n`;

  function chapterMark(chapter) {
    const file = CSS.escape(`${chapter.page.split("/").pop()}.html`).replaceAll("\\.", ".");
    // The sidebar links to the page itself as "#".
    const places = [`a[href$="${file}"]`];
    if (chapter === here) places.push('.current > a[href="#"]');
    const links = `:is(.bd-links, .learning-path) :is(${places})`;
    if (isFinished(chapter)) return mark(links, "✓");
    const done = coreDone(chapter);
    return done ? mark(links, `${done}/${core(chapter).length}`, true) : "";
  }

  function sectionMark(section) {
    const links = `.bd-sidebar-secondary a[href="#${CSS.escape(section.anchor)}"]`;
    if (isDone(here, section)) return mark(links, "✓");
    const done = section.exercises ? exercisesDone(here, section) : 0;
    return done ? mark(links, `${done}/${section.exercises.length}`, true) : "";
  }

  function paint() {
    marks.textContent = [
      ...courseSections.map(chapterMark),
      ...(here?.sections.map(sectionMark) ?? []),
    ].join("");
    for (const painter of painters) painter();
  }

  function add(painter) {
    painters.push(painter);
    painter();
  }

  // A box to tick: a section, an exercise or a chapter.
  function fill(element) {
    const box = element.querySelector("input");
    const {kind, key} = box.dataset;
    add(() => (box.checked = memory.get(kind, key) === true));
    box.addEventListener("change", () => {
      if (box.checked || kind === "section") memory.set(kind, key, box.checked);
      else memory.remove(kind, key);
    });
  }

  // A section that asks is done when all its guesses and answers are given and its end,
  // where its box stands, is in view after that: one guess at its beginning is not all of
  // it. What a reader unticks stays so.
  const isAnswered = ({dataset}) =>
    "prediction" in dataset
      ? memory.get("prediction", dataset.prediction) !== undefined
      : memory.get("question", dataset.question) !== undefined;
  const isAnsweredWhole = (section) => {
    const asked = [...section.querySelectorAll("[data-prediction], [data-question]")];
    return asked.length > 0 && asked.every(isAnswered);
  };
  const ends = new IntersectionObserver((entries) => {
    for (const {target, isIntersecting} of entries) {
      const {kind, key} = target.dataset;
      const isOpen = isIntersecting && memory.get(kind, key) === undefined;
      if (isOpen && isAnsweredWhole(target.closest("section"))) memory.set(kind, key, true);
    }
  });
  // Observed anew, each end tells where it is once the page is laid out with the answer.
  function lookForEnds() {
    for (const box of document.querySelectorAll("input[data-kind=section]")) {
      ends.unobserve(box);
      ends.observe(box);
    }
  }

  // A chapter is ticked at the moment when all sections of its core are done.
  const isWhole = () => coreDone(here) === core(here).length;
  let wasWhole = here && isWhole();
  function settle() {
    const isNew = isWhole() && !wasWhole;
    wasWhole = isWhole();
    if (isNew) memory.set("chapter", here.topic, true);
  }

  // The next section of the core after the last one that is done, else one left out, in
  // the chapter last visited; if that is finished, in the next one that is not.
  function next() {
    const last = memory.get("place", "last");
    const at = courseSections.findIndex((chapter) => chapter.topic === last);
    if (at < 0) return undefined;
    for (const chapter of courseSections.slice(at)) {
      if (isFinished(chapter)) continue;
      const done = (section) => isDone(chapter, section);
      const after = chapter.sections.findLastIndex(done);
      const isOpen = (section) => !section.deeper && !done(section);
      const section =
        chapter.sections.slice(after + 1).find(isOpen) ?? chapter.sections.find(isOpen);
      if (section) return {page: chapter.page, ...section};
    }
    return undefined;
  }

  function lead(element) {
    const [link] = element.children;
    add(() => {
      const section = next();
      element.hidden = section === undefined;
      if (element.hidden) return;
      link.textContent = element.dataset.text.replace("{section}", () => section.title);
      link.href = `${section.page}.html#${section.anchor}`;
    });
  }

  function save(name) {
    const text = JSON.stringify(memory.exported(), null, 1);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  // The reader's progress as a whole, in the sidebar.
  function show(element) {
    const {dataset} = element;
    const [text, note] = element.querySelectorAll("[role=status]");
    const bar = element.querySelector("progress");
    const input = element.querySelector("input");
    const button = (act) => element.querySelector(`[data-act=${act}]`);
    const say = (words, file) =>
      (note.textContent = dataset[words].replace("{file}", () => file));
    const isEmpty = () =>
      Object.entries(memory.exported()).every(
        ([kind, entries]) => kind === "place" || !Object.keys(entries).length,
      );

    add(() => {
      const finished = courseSections.filter(isFinished);
      const begun = courseSections.filter((chapter) => !isFinished(chapter));
      const parts = begun.map((chapter) => coreDone(chapter) / (core(chapter).length || 1));
      bar.value = parts.reduce((sum, part) => sum + part, finished.length);
      const words = dataset.text
        .replace("{finished}", finished.length)
        .replace("{all}", bar.max);
      if (text.textContent !== words) text.textContent = words; // it is read aloud
      button("save").hidden = button("forget").hidden = isEmpty();
    });
    button("save").addEventListener("click", () => {
      save(dataset.file);
      say("saved", dataset.file);
    });
    button("load").addEventListener("click", () => input.click());
    input.addEventListener("change", async () => {
      const [file] = input.files;
      if (!file) return;
      try {
        memory.imported(JSON.parse(await file.text()));
        say("loaded");
      } catch {
        say("refused", file.name);
      }
      input.value = ""; // the same file can be chosen again
    });
    button("forget").addEventListener("click", () => {
      if (!confirm(dataset.question)) return;
      memory.clear();
      note.textContent = "";
      element.focus(); // the button is gone
    });
  }

  if (here && memory.get("place", "last") !== topic) memory.set("place", "last", topic);
  addEventListener("DOMContentLoaded", lookForEnds);
  memory.watch(() => {
    if (here) settle();
    paint();
    lookForEnds();
  });
  paint();
  return {fill, lead, show};
})();

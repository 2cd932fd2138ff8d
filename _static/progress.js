// Which chapters the reader has finished. Kept in this browser and nowhere else.
// Loaded in the head and called where its elements stand: nothing changes after it was
// painted.

const readingProgress = (() => {
  const KEY = "first-tensor:finished";
  const marks = document.head.appendChild(document.createElement("style"));
  const painters = [];

  // Where a browser keeps nothing, the marks last as long as the page.
  let kept = "[]";
  function load() {
    try {
      kept = localStorage.getItem(KEY) ?? "[]";
    } catch {}
    try {
      const names = JSON.parse(kept);
      const isName = (name) => typeof name === "string";
      return new Set(Array.isArray(names) ? names.filter(isName) : []);
    } catch {
      return new Set();
    }
  }

  function store(finished) {
    kept = JSON.stringify([...finished].sort());
    try {
      localStorage.setItem(KEY, kept);
    } catch {}
    paint();
  }

  // Ticks are a style sheet: it holds for links that are not there yet. The sidebar links
  // to the page itself as "#".
  function paintMarks(finished) {
    const here = location.pathname;
    const links = [...finished].flatMap((name) => {
      const file = CSS.escape(`${name.split("/").pop()}.html`).replaceAll("\\.", ".");
      const places = [`a[href$="${file}"]`];
      if (here.endsWith(`/${name}.html`)) places.push('.current > a[href="#"]');
      return places;
    });
    marks.textContent = links.length
      ? `:is(.bd-links, .learning-path) :is(${links})::after {
           content: " ✓"; content: " ✓" / " ✓"; }`
      : "";
  }

  function paint() {
    const finished = load();
    paintMarks(finished);
    for (const painter of painters) painter(finished);
  }

  function add(painter) {
    painters.push(painter);
    painter(load());
  }

  function watch(name, element) {
    const box = element.querySelector("input");
    add((finished) => (box.checked = finished.has(name)));
    box.addEventListener("change", () => {
      const finished = load();
      if (box.checked) finished.add(name);
      else finished.delete(name);
      store(finished);
    });
  }

  function show(element) {
    const names = element.dataset.chapters.split(" ");
    const [text, bar, button] = element.children;
    add((finished) => {
      bar.value = names.filter((name) => finished.has(name)).length;
      text.textContent = element.dataset.text
        .replace("{finished}", bar.value)
        .replace("{all}", bar.max);
      button.hidden = finished.size === 0;
    });
    button.addEventListener("click", () => {
      if (!confirm(element.dataset.question)) return;
      store(new Set());
      element.focus(); // the button is gone
    });
  }

  // Another tab may have changed it, also while this page was out of sight.
  addEventListener("storage", paint);
  addEventListener("pageshow", paint);
  paint();
  return {watch, show};
})();

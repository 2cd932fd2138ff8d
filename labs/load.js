// Opens a lab when it comes near: the only script of the labs that a page loads at once.
// Classic scripts, one after the other: a page opened from a disk may not load modules.
addEventListener("DOMContentLoaded", () => {
  const given = {};
  const loaded = {};
  globalThis.labs = {give: (label, data) => (given[label] = data)};
  const load = (tag, what) =>
    (loaded[what.src ?? what.href] ??= new Promise((onload, onerror) =>
      document.head.append(Object.assign(document.createElement(tag), what, {onload, onerror}))));

  async function open(place) {
    const {styles, scripts} = place.dataset;
    for (const href of styles.split(" ")) await load("link", {rel: "stylesheet", href});
    for (const src of scripts.split(" ")) await load("script", {src});
    place.append(place.querySelector("template").content);
    place.dataset.open = "";
    labs.start(place, given[place.id]);
  }

  const near = new IntersectionObserver(
    (entries) =>
      entries.forEach(({isIntersecting, target}) => {
        if (!isIntersecting) return;
        near.unobserve(target);
        open(target).catch(() => target.remove());
      }),
    {rootMargin: "800px"},
  );
  document.querySelectorAll(".lab").forEach((place) => near.observe(place));
});

addEventListener("DOMContentLoaded", () => {
  // Sentences wrap; what stands in columns, with two gaps in a line, scrolls.
  for (const pre of document.querySelectorAll(".cell_output .stream pre")) {
    pre.classList.toggle("sentences", !/\S {2,}\S.* {2,}\S/.test(pre.textContent));
  }

  // What turns out wider or higher than its box scrolls: the keyboard has to reach it.
  // Nothing is told of boxes in sections that are not laid out yet (course.css).
  const boxes = document.querySelectorAll(
    "pre, div.math, .cell_output > .output, .pst-scrollable-table-container",
  );
  // Tables and formulas fade where they go on. (Code has shadows, by CSS alone.)
  const fade = ({scrollLeft, scrollWidth, clientWidth, classList}) => {
    classList.toggle("goes-on-before", scrollLeft > 1);
    classList.toggle("goes-on-after", scrollLeft < scrollWidth - clientWidth - 1);
  };
  const letKeyboardScroll = new ResizeObserver((entries) => {
    const scrolls = entries.map(
      ({target}) =>
        target.scrollWidth > target.clientWidth ||
        target.scrollHeight > target.clientHeight,
    );
    entries.forEach(({target}, i) => {
      if (scrolls[i]) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
      fade(target);
    });
  });
  for (const box of boxes) {
    letKeyboardScroll.observe(box);
    box.addEventListener("scroll", () => fade(box), {passive: true});
  }
  // Fonts change what is in a box, and not always the box.
  document.fonts.addEventListener("loadingdone", () => {
    for (const box of boxes) {
      letKeyboardScroll.unobserve(box);
      letKeyboardScroll.observe(box);
    }
  });
});

// A jump within the page lands in its whole: a section above the place that is laid out
// only then, and gets its true height, would push the place away.
addEventListener("hashchange", () => {
  delete document.documentElement.dataset.bySection;
  const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  place?.scrollIntoView();
});

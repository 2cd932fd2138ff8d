// A pasted traceback or error message finds its section. On the search page only.
//
// Sphinx wants every word of a query on one page, and a message holds words of the
// reader's own: shapes, names, paths. The headings of the error atlas are the parts of
// messages that stay the same, with "…" where a reader's words stand and " / " between
// wordings. A heading whose parts occur in the query, in order, is put on top.
//
// Sphinx writes titles of hits as HTML, which those of pages are and headings are not: a
// heading such as "Can't pickle <function <lambda>" is escaped here, Sphinx's own hits too.
//
// Sphinx defines `Search` in a later script, and starts it when that one is told that
// the page is ready, after this one.
document.addEventListener("DOMContentLoaded", () => {
  const ATLAS = "appendix/error_atlas";
  const plain = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}_]+/gu, " ").trim();

  // The length of the longest wording that the query contains, else 0.
  const match = (heading, query) =>
    Math.max(...heading.split(" / ").map((wording) => {
      const parts = wording.split("…").map(plain).filter(Boolean);
      let from = 0;
      const contained = parts.every((part) => {
        const at = ` ${query} `.indexOf(` ${part} `, from);
        from = at + part.length + 1;
        return at >= 0;
      });
      return contained ? parts.join(" ").length : 0;
    }));

  const escaped = (text) =>
    text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

  // What stands around a hit: of a formula, what was typed, and that once.
  const toText = Search.htmlToText;
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    for (const formula of page.querySelectorAll(".katex"))
      formula.replaceWith(formula.querySelector("annotation").textContent);
    return toText(page.documentElement.outerHTML, anchor);
  };

  const search = Search._performSearch;
  Search._performSearch = (query, ...terms) => {
    const {alltitles, docnames, filenames, titles} = Search._index;
    const withEscapedHeading = ([page, title, ...rest]) => {
      const own = `${titles[docnames.indexOf(page)]} > `;
      return [
        page,
        title.startsWith(own) ? own + escaped(title.slice(own.length)) : title,
        ...rest,
      ];
    };
    const asked = plain(query);
    const found = Object.entries(alltitles).flatMap(([heading, places]) =>
      places
        .filter(([page, anchor]) =>
          anchor && docnames[page] === ATLAS && heading.split(" ").length > 2)
        .map(([page, anchor]) => [
          docnames[page], `${titles[page]} > ${heading}`, `#${anchor}`, null,
          match(heading, asked), filenames[page],
        ])
        .filter((hit) => hit[4] > 0)
    );
    // The list is shown from its end: the longest, most telling wording comes first.
    found.sort((one, other) => one[4] - other[4]);
    return [...search(query, ...terms), ...found].map(withEscapedHeading);
  };
});

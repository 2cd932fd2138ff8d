// The search page. `searchindex.js` hands the sections of the course to Search.setIndex
// (`_ext/search_sections.py`), MiniSearch ranks them, and this script says what a word
// is, and shows what is found. All words that it shows come from the template.
//
// Everything is in classic scripts, the texts too: a page that was opened from a disk
// may load nothing else.
const Search = (() => {
  // What a hit in each part of a section is worth. `above` are the titles around it.
  const BOOST = {title: 5, names: 4, above: 1, text: 1, code: 0.4};
  const LOOSE = 0.5; // for another name of what was typed, or half of two words in a row
  const EXACT = 1.5; // for a title that is what was typed
  const ATLAS = "appendix/error_atlas";
  const AT_ONCE = 20;
  const CONTEXT = 240; // characters around what was found

  const out = document.getElementById("search-results");
  const stemmer = new Stemmer();
  const known = new Map();
  const stem = (word) => {
    if (!known.has(word)) known.set(word, stemmer.stemWord(word));
    return known.get(word);
  };

  // One spelling for British and American words. Some of what comes out is no word
  // ("noize"), which nobody sees: it is the same for what is searched and what is read.
  const spell = (word) =>
    word
      .replace(/is(?=(e[drs]?|ers|es|ing|ations?)$)/, "iz")
      .replace(/ys(?=(e[drs]?|ers|es|ing)$)/, "yz")
      .replace(/(?<=\w{3})our(?=(s|ed|ing|ful|less)?$)/, "or")
      .replace(/(?<=\w{3})tre(?=s?$)/, "ter")
      .replace(/^licenc/, "licens")
      .replace(/^grey/, "gray");

  // Where a text has no spaces, two characters in a row stand for a word.
  const UNSPACED = "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}";
  const WORD = new RegExp(
    `[${UNSPACED}]+|(?:(?![${UNSPACED}])[\\p{L}\\p{M}\\p{N}_]|[-.'’](?=\\p{L}))+`, "gu"
  );
  const isUnspaced = (text) => new RegExp(`^[${UNSPACED}]`, "u").test(text);
  const pairs = (text) => {
    const signs = [...text];
    return signs.length === 1 ? signs : signs.slice(1).map((sign, i) => signs[i] + sign);
  };

  // Ways to say the same in several words: "doesn't go down" is "does not decrease".
  const unify = (text) =>
    text
      .replace(/\b(go|goes|going) down\b/gi, "decrease")
      .replace(/\b(do|does|did|is|are|was|were|has|have)n['’]?t\b/gi, "$1 not");

  // The words of a text, each with its parts: "fine-tuning" is "finetuning", "fine" and
  // "tuning", and so are "fine_tuning" and "FineTuning". "model.eval" is taken alike.
  const words = (text) =>
    unify(text.normalize("NFKC")).match(WORD)?.flatMap((word) => {
      if (isUnspaced(word)) return pairs(word).map((pair) => ({whole: pair, parts: []}));
      const bare = word.replace(/['’]s$|['’]/g, "");
      const parts = bare
        .split(/[-._]+|(?<=\p{Ll})(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/u)
        .filter(Boolean)
        .map((part) => part.toLowerCase());
      if (!parts.length) return [];
      return [{whole: parts.join(""), parts: parts.length > 1 ? parts : []}];
    }) ?? [];

  const term = (word) => stem(spell(word));
  const isNumber = (word) => /^\d+$/.test(word);
  const terms = (text, asPhrase) => {
    const found = words(text);
    const single = found.flatMap(({whole, parts}) => [whole, ...parts]);
    // Two words in a row count as one, too: "data set" finds "dataset", and a title
    // with the very words that were asked for comes before one that has them apart.
    const joined = asPhrase
      ? found.slice(1).map(({whole}, i) => found[i].whole + whole)
      : [];
    return [...single, ...joined].filter((word) => !isNumber(word)).map(term);
  };

  // A name of several words as a single one, without what stands in brackets.
  const together = (name) =>
    term(words(name.replace(/\(.*?\)/g, "")).map(({whole}) => whole).join(""));

  // The words of a text that say what it is about; all, if none does.
  const tellingOf = (all) => {
    common ??= new Set([...stopwords, ...out.dataset.common.split(" ")].map(term));
    const telling = all.filter(({whole}) => !common.has(term(whole)) && !isNumber(whole));
    return telling.length ? telling : all;
  };
  const written = (all) => all.map(({whole}) => spell(whole)).join("");

  // What to look for: each term of a query with the numbers of the words that it stands
  // for. A term is a word, a part of one, two words in a row, or another name of these.
  const asked = (query) => {
    const all = words(query);
    const telling = tellingOf(all);
    const wanted = new Map();
    const want = (word, numbers, boost = 1) => {
      const known = wanted.get(word) ?? {numbers: [], boost};
      wanted.set(word, {...known, numbers: [...known.numbers, ...numbers]});
    };
    let count = 0;
    const numbered = all.map((word) => {
      const parts = word.parts.length ? word.parts : [word.whole];
      return {...word, parts, numbers: telling.includes(word) ? parts.map(() => count++) : []};
    });
    numbered.forEach(({whole, parts, numbers}, i) => {
      if (numbers.length) want(term(whole), numbers, numbers.length);
      numbers.forEach((number, part) => want(term(parts[part]), [number]));
      const before = numbered[i - 1];
      if (!before || !(before.numbers.length || numbers.length)) return;
      const isWhole = before.numbers.length && numbers.length;
      const both = [...before.numbers, ...numbers];
      want(term(before.whole + whole), both, isWhole ? 1 : LOOSE);
    });
    const own = [...wanted];
    for (const [word, {numbers}] of own)
      for (const other of synonyms.get(word) ?? [])
        if (!wanted.has(other)) want(other, numbers, LOOSE);
    return {wanted, own: new Set(own.map(([word]) => word)), count};
  };

  let sections, index, vocabulary, common, synonyms;
  const setIndex = ({pages}) => {
    sections = Object.entries(pages).flatMap(([page, {number, sections: own}]) => {
      const above = [];
      return own.map(({level, anchor = "", shown = "", names = [], ...section}) => {
        above.length = Math.min(above.length, level - 1);
        const around = [...above];
        const isNumbered = number && !anchor;
        above[level - 1] = isNumbered ? `${number}. ${section.title}` : section.title;
        return {...section, page, anchor, around, shown, names: [...names]};
      });
    });
    sections.forEach((section, id) => { section.id = id; });
    // The section that teaches a term is found under its names.
    const byPlace = new Map(
      sections.map((section) => [`${section.page}#${section.anchor}`, section])
    );
    synonyms = new Map();
    for (const {title, names, teaches} of sections.filter((each) => each.teaches)) {
      const all = [title, ...names];
      const asOne = [...new Set(all.map(together))];
      for (const name of asOne)
        synonyms.set(name, [...(synonyms.get(name) ?? []), ...asOne]);
      byPlace.get(teaches.join("#"))?.names.push(...all);
    }
    vocabulary = new Set();
    index = new MiniSearch({
      fields: Object.keys(BOOST),
      extractField: (section, field) => {
        const {around, shown, more = ""} = section;
        if (field === "text") return `${shown} ${more}`;
        const value = field === "above" ? around : section[field] ?? "";
        return Array.isArray(value) ? value.join(" | ") : value;
      },
      tokenize: (text, field) => {
        const found = terms(text, field === "title" || field === "names");
        for (const word of found) vocabulary.add(word);
        return found;
      },
      processTerm: (word) => word,
    });
    index.addAll(sections);
    show();
  };

  // A pasted message holds words of the reader's own: shapes, names, paths. The headings
  // of the error atlas are the parts that stay the same, with "…" where a reader's words
  // stand and " / " between wordings. This gives the length of the longest wording whose
  // parts are all in the query, in order, else 0.
  const plain = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}_]+/gu, " ").trim();
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

  // The sections that a query finds, the best first.
  const find = (query) => {
    const {wanted, own, count} = asked(query);
    const isUnknown = (word) => own.has(word) && !vocabulary.has(word);
    const all = words(query);
    const typed = [all, tellingOf(all)].map(written);
    const hits = index
      .search(query, {
        tokenize: () => [...wanted.keys()],
        processTerm: (word) => word,
        boost: BOOST,
        bm25: {k: 1.2, b: 0.4, d: 0.5},
        boostTerm: (word) => wanted.get(word).boost,
        // A word that the course doesn't have may be cut off or mistyped.
        prefix: (word) => isUnknown(word) && word.length > 2,
        fuzzy: (word) => (isUnknown(word) && word.length > 4 ? 0.2 : false),
      })
      .map(({id, score, terms: matched, queryTerms}) => {
        const section = sections[id];
        // MiniSearch multiplies by the number of terms; what counts is how much of the
        // query they stand for.
        const covered = new Set(queryTerms.flatMap((word) => wanted.get(word).numbers)).size;
        const isNamed = typed.includes(written(words(section.title))) ? EXACT : 1;
        score *= (covered / count / queryTerms.length) * section.weight * isNamed;
        return {...section, score, matched};
      })
      .sort((one, other) => other.score - one.score);
    const pasted = plain(query);
    const messages = sections
      .filter(({page, anchor, title}) =>
        page === ATLAS && anchor && title.split(" ").length > 2)
      .map((section) => ({...section, matched: [], length: match(section.title, pasted)}))
      .filter(({length}) => length > 0)
      .sort((one, other) => other.length - one.length);
    const first = new Set(messages.map(({id}) => id));
    return [...messages, ...hits.filter(({id}) => !first.has(id))];
  };

  // --- what is shown -------------------------------------------------------------------

  const element = (tag, name, text) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text) made.textContent = text;
    return made;
  };

  // The places of a text at which one of the terms is.
  const places = (text, matched) =>
    [...text.matchAll(WORD)].flatMap((word) => {
      const [{whole, parts} = {}] = words(word[0]);
      if (isUnspaced(word[0]))
        return pairs(word[0])
          .map((pair, i) => ({at: word.index + i, length: pair.length, word: pair}))
          .filter((place) => matched.has(place.word));
      const isHit = whole && [whole, ...parts].some((part) => matched.has(term(part)));
      return isHit ? [{at: word.index, length: word[0].length, word: word[0]}] : [];
    });

  // The part of a text that holds most of what was found.
  const excerpt = (text, matched) => {
    const found = places(text, matched);
    let best = {count: 0, from: 0};
    found.forEach(({at}, i) => {
      const near = found.slice(i).filter((other) => other.at < at + CONTEXT * 0.7);
      const count = new Set(near.map(({word}) => term(word.toLowerCase()))).size;
      if (count > best.count) best = {count, from: at};
    });
    let from = Math.max(0, best.from - CONTEXT * 0.3);
    if (from) from = Math.max(text.indexOf(" ", from) + 1, 0) || from;
    if (from > best.from) from = best.from;
    let to = Math.min(text.length, from + CONTEXT);
    if (to < text.length) to = Math.max(text.lastIndexOf(" ", to), from + CONTEXT * 0.8);
    const shown = element("p", "context");
    if (from) shown.append("… ");
    let done = from;
    for (const {at, length} of found) {
      if (at < done || at + length > to) continue;
      shown.append(text.slice(done, at), element("mark", "", text.slice(at, at + length)));
      done = at + length;
    }
    shown.append(text.slice(done, to));
    if (to < text.length) shown.append(" …");
    return shown;
  };

  const item = ({page, anchor, title, around, shown, matched}) => {
    const link = element("a");
    link.href = page + DOCUMENTATION_OPTIONS.LINK_SUFFIX + (anchor && `#${anchor}`);
    link.append(
      ...around.flatMap((name) => [element("span", "above", name), " > "]),
      element("span", "title", title)
    );
    // The page marks these words (`sphinx_highlight.js`).
    const marked = places(`${title} ${shown}`, new Set(matched)).map(({word}) => word);
    const remember = () => {
      try {
        const listed = [...new Set(marked.map((word) => word.toLowerCase()))].join(" ");
        localStorage.setItem("sphinx_highlight_terms", listed);
      } catch {} // a browser may keep nothing
    };
    link.addEventListener("click", remember);
    link.addEventListener("auxclick", remember);
    const made = element("li");
    made.append(link);
    if (shown) made.append(excerpt(shown, new Set(matched)));
    return made;
  };

  const show = () => {
    const query = new URLSearchParams(location.search).get("q")?.trim() ?? "";
    for (const field of document.querySelectorAll('input[name="q"]')) field.value = query;
    const field = document.querySelector(".bd-search-container input");
    field.focus();
    field.select();
    if (!query) return;
    const [status, list, more] = out.querySelectorAll("p, ol, button");
    const hits = find(query);
    const {none, one, many} = out.dataset;
    const text = hits.length === 1 ? one : hits.length ? many : none;
    status.textContent = text.replace("{count}", hits.length);
    const grow = (count) => {
      list.append(...hits.slice(list.children.length, count).map(item));
      more.hidden = list.children.length === hits.length;
    };
    // Whoever comes back finds as many as they had asked for.
    grow(history.state?.shown ?? AT_ONCE);
    more.addEventListener("click", () => {
      const before = list.children.length;
      grow(before + AT_ONCE);
      history.replaceState({shown: list.children.length}, "");
      list.children[before].querySelector("a").focus();
    });
  };

  return {setIndex, find, hasIndex: () => index !== undefined};
})();

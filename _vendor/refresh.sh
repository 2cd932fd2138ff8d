#!/bin/sh
# Fetch the third-party files of the site anew: `sh _vendor/refresh.sh`.
# Needs npm. The result is committed, so that building the book needs neither npm
# nor the network.
set -eu
KATEX=0.19.1
FONT_AWESOME=6.7.2
SUBSET_FONT=2.9.0
MINISEARCH=7.2.0

cd "$(dirname "$0")"
here=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --prefix "$work" \
  "katex@$KATEX" "@fortawesome/fontawesome-free@$FONT_AWESOME" "subset-font@$SUBSET_FONT" \
  "minisearch@$MINISEARCH"

# KaTeX. Every browser that runs this site reads woff2: name no other format.
dist=$work/node_modules/katex/dist
rm -rf katex
mkdir -p katex/fonts
cp "$work/node_modules/katex/LICENSE" "$dist/katex.min.js" katex/
cp "$dist"/fonts/*.woff2 katex/fonts/
sed 's/,url([^)]*\.woff) format("woff"),url([^)]*\.ttf) format("truetype")//g' \
  "$dist/katex.min.css" >katex/katex.min.css
printf '%s\n' "$KATEX" >katex/VERSION

# The search. The line that is left out names a file that is not here.
mkdir -p minisearch
cp "$work/node_modules/minisearch/LICENSE.txt" minisearch/LICENSE
sed '/^\/\/# sourceMappingURL/d' "$work/node_modules/minisearch/dist/umd/index.js" \
  >minisearch/minisearch.js
printf '%s\n' "$MINISEARCH" >minisearch/VERSION

# The icons that the site shows, out of the 156 kB of the theme's font. icons.css
# names their code points; any other icon still comes from the theme's font.
font=$work/node_modules/@fortawesome/fontawesome-free
mkdir -p icons
cp "$font/LICENSE.txt" icons/LICENSE
cd "$work"
node --input-type=module --eval '
  import { readFile, writeFile } from "node:fs/promises";
  import subset from "subset-font";
  const [font, folder] = process.argv.slice(1);
  const css = await readFile(`${folder}/icons.css`, "utf8");
  const points = css.match(/U\+[0-9a-f]+/gi).map((point) => parseInt(point.slice(2), 16));
  const text = String.fromCodePoint(...points);
  const whole = await readFile(`${font}/webfonts/fa-solid-900.woff2`);
  await writeFile(
    `${folder}/solid.woff2`, await subset(whole, text, { targetFormat: "woff2" }),
  );
' "$font" "$here/icons"
printf '%s\n' "$FONT_AWESOME" >"$here/icons/VERSION"

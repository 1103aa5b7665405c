// Prints the theme's style sheets without the rules that no page uses, as JSON: a list of {file,
// css}. tools/site/styles.py starts it in the folder of the built site.
import { PurgeCSS } from "purgecss";

const names = /[\w-]+/g;

const purged = await new PurgeCSS().purge({
  css: ["_static/*.css", "_static/styles/*.css"],
  // The pages, and what changes them. Bootstrap is left out: its script names every component that
  // it has, and the theme uses two.
  content: ["**/*.html", "_static/*.js", "_static/scripts/*-theme.js"],
  // Of a page what stands in its tags; words of its prose are no names.
  extractors: [{
    extensions: ["html"],
    extractor: (page) => page.match(/<[^>]+>/g).join(" ").match(names),
  }],
  defaultExtractor: (script) => script.match(names) ?? [],
  dynamicAttributes: ["data-theme", "data-mode", "data-default-mode", "data-popper-placement"],
  // Of Bootstrap's two, of the kinds of search results, and whatever has no name: `:focus-visible`.
  safelist: [/tooltip/, /dropdown/, /^(?:show|fade|collaps\w+)$/, /^kind-/, /^:/],
});
console.log(JSON.stringify(purged.map(({ file, css }) => ({ file, css }))));

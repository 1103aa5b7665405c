// Which rules of the theme's style sheets the pages use. tools/site/styles.py runs PurgeCSS with it
// in the folder of the built site.
module.exports = {
  css: ["_static/*.css", "_static/styles/*.css"],
  // The pages, and what changes them; the Bootstrap in scripts/bootstrap.js names every component
  // it has, and the theme uses two of them.
  content: ["**/*.html", "_static/*.js", "_static/scripts/*-theme.js"],
  safelist: {
    greedy: [/tooltip/, /dropdown/, /\[data-(?:theme|mode|default-mode|popper)/],
    standard: ["show", "fade", "collapse", "collapsing", "open"],
  },
};

/** The page of `/docs`. It runs nothing but what this server sends, and asks nobody else. */
export const docsPage = (version: string): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>reelq: the API</title>
<link rel="icon" href="/docs/favicon-32x32.png?v=${version}">
<link rel="stylesheet" href="/docs/swagger-ui.css?v=${version}">
<link rel="stylesheet" href="/docs/page.css">
<body>
<noscript>This page needs JavaScript. The same is in <a href="/openapi.json">openapi.json</a>, and the short of it in <a href="/llms.txt">llms.txt</a>.</noscript>
<div id="api"></div>
<script src="/docs/swagger-ui-bundle.js?v=${version}"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

/** What stands in the page itself is not run, and styles nothing; what Swagger UI styles by script does not count as such. */
export const docsPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Runs in the browser. A key that is typed in is kept by the page alone, and gone when it is closed. */
export const docsScript = `"use strict";
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
// Swagger UI calls them "Webhooks", like the calls that manage their addresses.
const nameEvents = ({ React }) => ({
  wrapComponents: {
    Webhooks: (Webhooks) => (props) => {
      const section = Webhooks(props);
      if (!section) return section;
      const [, calls] = section.props.children;
      return React.cloneElement(section, {}, React.createElement("h2", null, "Events that are sent"), calls);
    },
  },
});
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  plugins: [nameEvents],
});
`;

export const docsStyle = `html { color-scheme: light dark }
body { margin: 0 }
noscript { display: block; padding: 2rem }
.swagger-ui .info { margin: 2rem 0 1rem }
.swagger-ui .scheme-container { margin: 0; padding: 1rem 0 }
.swagger-ui .info__license { display: none }
.swagger-ui .response-col_links { display: none }
.swagger-ui .opblock .opblock-summary .view-line-link.copy-to-clipboard { flex: none }
.swagger-ui .opblock.is-open .opblock-summary .view-line-link.copy-to-clipboard { width: 26px; margin-inline: 4px }
.swagger-ui .highlight-code > .microlight code { word-break: normal; overflow-wrap: anywhere }
.swagger-ui .renderedMarkdown p { word-break: normal; overflow-wrap: anywhere }
/* A refusal has one media type, one schema and no header that its description does not name. */
.swagger-ui .response:is([data-code^="4"], [data-code^="5"]) :is(.response-control-media-type, .tab, .headers-wrapper) { display: none }
.swagger-ui .response:is([data-code^="4"], [data-code^="5"]) .renderedMarkdown p { margin: 0 0 .25rem }
@media (max-width: 40rem) {
  .swagger-ui .opblock-tag { flex-wrap: wrap; padding-inline: 0 }
  .swagger-ui .opblock-tag small { flex: 1 0 100%; order: 1; padding: 0 }
  .swagger-ui .opblock-tag .expand-operation { margin-left: auto }
  .swagger-ui .opblock .opblock-summary-path { max-width: none; word-break: break-word }
  .swagger-ui :is(table.parameters, table.responses-table, table.headers) thead { display: none }
  .swagger-ui :is(table.parameters, table.responses-table, table.headers),
  .swagger-ui :is(table.parameters, table.responses-table, table.headers) > tbody,
  .swagger-ui :is(table.parameters, table.responses-table, table.headers) > tbody > tr,
  .swagger-ui :is(table.parameters, table.responses-table, table.headers) > tbody > tr > td:not(.response-col_links) { display: block; width: auto; max-width: none; min-width: 0; padding-inline: 0 }
  .swagger-ui table.headers td.header-col { padding-block: 0 }
  .swagger-ui table.headers td.header-col:last-child { padding-bottom: .75rem }
}
`;

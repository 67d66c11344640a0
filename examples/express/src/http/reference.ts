import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import type { ExpressGuard } from '@org/rbac/express'
import type { Express } from 'express'

/** Swagger UI's own files, from its package: nothing is fetched from elsewhere, so it works offline. */
const FILES = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))

/** Only ours. Swagger UI sets styles of its own and shows its icons as data. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const PAGE = `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Hub: reference</title>
  <link rel="stylesheet" href="/reference/files/swagger-ui.css">
  <link rel="stylesheet" href="/reference/readable.css">
  <div id="reference"></div>
  <script src="/reference/files/swagger-ui-bundle.js"></script>
  <script src="/reference/start.js"></script>
</html>
`
// Without deep links: they are links inside of buttons, which a screen reader cannot tell apart. What Swagger UI leaves unnamed is
// named when all of it is there.
const START = `const named = (selector, attributes) => {
  for (const one of document.querySelectorAll(selector)) {
    for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value)
  }
}
SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#reference',
  defaultModelsExpandDepth: -1,
  onComplete: () => {
    named('#servers', { 'aria-label': 'Server' })
    named('.information-container', { role: 'region', 'aria-label': 'About' })
    named('.schemes-server-container', { role: 'region', 'aria-label': 'Server and sign-in' })
    named('h3.opblock-tag', { 'aria-level': '2' })
  },
})
`
/** Swagger UI's colours are too pale to be read (WCAG 2.2, 1.4.3: 4.5 to 1). */
const READABLE = `.swagger-ui .opblock .opblock-summary-method { text-shadow: none; }
.swagger-ui .opblock.opblock-get .opblock-summary-method { background: #1a5fb4; }
.swagger-ui .opblock.opblock-post .opblock-summary-method { background: #1c6e3d; }
.swagger-ui .opblock.opblock-put .opblock-summary-method { background: #8a4b08; }
.swagger-ui .opblock.opblock-patch .opblock-summary-method { background: #0f6660; }
.swagger-ui .opblock.opblock-delete .opblock-summary-method { background: #a51d2d; }
.swagger-ui .info a, .swagger-ui .info .url { color: #1a5fb4; }
.swagger-ui .info .title small, .swagger-ui .info .title small.version-stamp { background: #3b4151; }
.swagger-ui .btn.authorize { color: #1c6e3d; border-color: #1c6e3d; }
.swagger-ui .btn.authorize svg { fill: #1c6e3d; }
`

/** `GET /openapi.json`, and `GET /reference` to read it and try it out. */
export function serveReference(app: Express, document: object, guard: ExpressGuard): void {
  const open = guard.publicRoute()
  const json = JSON.stringify(document)
  app.get('/openapi.json', open, (_req, res) => void res.type('json').send(json))
  app.get('/reference', open, (_req, res) => {
    res.set('Content-Security-Policy', POLICY).type('html').send(PAGE)
  })
  app.get('/reference/start.js', open, (_req, res) => void res.type('js').send(START))
  app.get('/reference/readable.css', open, (_req, res) => void res.type('css').send(READABLE))
  // These two by name: the package has pages of its own, which show other APIs and may be framed.
  for (const file of ['swagger-ui.css', 'swagger-ui-bundle.js']) {
    app.get(`/reference/files/${file}`, open, (_req, res) => {
      res.set('X-Content-Type-Options', 'nosniff').sendFile(file, { root: FILES, maxAge: '1h' })
    })
  }
}

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
  <div id="reference"></div>
  <script src="/reference/files/swagger-ui-bundle.js"></script>
  <script src="/reference/start.js"></script>
</html>
`
const START = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#reference', deepLinking: true, defaultModelsExpandDepth: -1 })
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
  // These two by name: the package has pages of its own, which show other APIs and may be framed.
  for (const file of ['swagger-ui.css', 'swagger-ui-bundle.js']) {
    app.get(`/reference/files/${file}`, open, (_req, res) => {
      res.set('X-Content-Type-Options', 'nosniff').sendFile(file, { root: FILES, maxAge: '1h' })
    })
  }
}

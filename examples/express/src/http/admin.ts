import { fileURLToPath } from 'node:url'
import type { ExpressGuard } from '@org/rbac/express'
import express, { type Express } from 'express'

const FILES = fileURLToPath(new URL('../../admin', import.meta.url))
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** The administration page: files as they are. It has no rights of its own; it asks the API as whoever signs in. */
export function serveAdmin(app: Express, guard: ExpressGuard): void {
  app.get('/admin', guard.publicRoute(), (_req, res) => {
    res
      .set('Content-Security-Policy', POLICY)
      .set('Cache-Control', 'no-store')
      .sendFile(`${FILES}/index.html`)
  })
  app.use('/admin/files', express.static(FILES, { index: false, redirect: false }))
}

import { fileURLToPath } from 'node:url'
import type { ExpressGuard } from '@org/rbac/express'
import express, { type Express, type Response } from 'express'

const FILES = fileURLToPath(new URL('../../admin', import.meta.url))
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
const HEADERS = {
  'Content-Security-Policy': POLICY,
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
}

/** The administration page: files as they are. It has no rights of its own; it asks the API as whoever signs in. */
export function serveAdmin(app: Express, guard: ExpressGuard): void {
  // Whoever types the hub's address is a person: programs know their paths.
  app.get('/', guard.publicRoute(), (_req, res) => res.redirect('/admin'))
  app.get('/admin', guard.publicRoute(), (_req, res) => {
    res.set(HEADERS).sendFile('index.html', { root: FILES })
  })
  // The page has this address as well, and must not be framed there either.
  const setHeaders = (res: Response) => void res.set(HEADERS)
  app.use('/admin/files', express.static(FILES, { index: false, redirect: false, setHeaders }))
}

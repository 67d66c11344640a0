import { isTenancyError, parseTenantKey, runWithTenant, TenancyError, toErrorBody } from '@org/core'
import type { Tenancy } from '@org/pg-tenant'
import express, { type ErrorRequestHandler, type RequestHandler } from 'express'

const COLUMNS = 'id, body, created_at as "createdAt"'
const NEWEST = `select ${COLUMNS} from notes order by id desc limit 50`
const INSERT = `insert into notes (body) values ($1) returning ${COLUMNS}`

/** A notes API over a tenancy: `GET /notes` (the newest 50) and `POST /notes`. */
export function createApp(tenancy: Tenancy): express.Express {
  const notes = express.Router()
  notes.get('/', async (_req, res) => {
    const { rows } = await tenancy.query(res.locals.tenant, NEWEST)
    res.json({ data: rows })
  })
  notes.post('/', async (req, res) => {
    const { rows } = await tenancy.query(res.locals.tenant, INSERT, [readBody(req.body)])
    res.status(201).json({ data: rows[0] })
  })

  const app = express()
  app.disable('x-powered-by')
  app.use(express.json())
  app.use('/notes', resolveTenant, notes)
  app.use(() => {
    throw new TenancyError('NOT_FOUND', 'There is no such route.')
  })
  app.use(answerError)
  return app
}

/** Whose request this is, by `X-Client-Key`; from here on a handler that asks for another tenant is refused. */
const resolveTenant: RequestHandler = (req, res, next) => {
  const key = req.get('x-client-key')
  if (key === undefined) throw new TenancyError('UNAUTHORIZED', 'Send X-Client-Key.')
  const tenant = parseTenantKey(key)
  res.locals.tenant = tenant
  runWithTenant(tenant, next)
}

/** 1 to 2000 characters; PostgreSQL's text cannot hold U+0000. */
function readBody(sent: unknown): string {
  const body = typeof sent === 'object' && sent !== null && 'body' in sent ? sent.body : undefined
  if (typeof body === 'string' && /^[^\0]{1,2000}$/.test(body)) return body
  throw new TenancyError('VALIDATION_ERROR', 'The body of a note is not valid.', {
    details: { field: 'body' },
  })
}

/** Express knows an error handler by its four parameters. */
const answerError: ErrorRequestHandler = (error, req, res, next) => {
  if (res.headersSent) return next(error)
  const { status, body } = toErrorBody(forClients(error), { locale: req.get('accept-language') ?? 'en' })
  if (status >= 500)
    console.error(isTenancyError(error) ? `${error.code}: ${error.message}` : 'INTERNAL_ERROR')
  res.status(status).json(body)
}

/** To a client, a tenant without a schema does not exist; what Express itself refuses to read is not valid. */
function forClients(error: unknown): unknown {
  if (isTenancyError(error, 'SCHEMA_MISSING')) {
    return new TenancyError('TENANT_NOT_FOUND', 'There is no such tenant.', { cause: error })
  }
  const { status } = (error ?? {}) as { status?: unknown }
  if (isTenancyError(error) || typeof status !== 'number' || status < 400 || status > 499) return error
  return new TenancyError('VALIDATION_ERROR', 'The request cannot be read.', { cause: error })
}

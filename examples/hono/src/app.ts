import { TenancyError } from '@org/core'
import type { Tenancy, TenantDb } from '@org/pg-tenant'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { type RequestIdVariables, requestId } from 'hono/request-id'
import { answerError } from './errors.ts'
import { readId, readPage, readText, toCursor, tooLarge } from './input.ts'
import { type NotesSettings, type SendMail, sendNothing } from './settings.ts'
import { resolveTenant, type TenantEnv } from './tenant.ts'

interface Note {
  /** a bigint, which JavaScript's numbers cannot hold: text */
  readonly id: string
  readonly body: string
  readonly createdAt: Date
}

interface AppEnv extends TenantEnv {
  Variables: TenantEnv['Variables'] & RequestIdVariables
}

const COLUMNS = 'id, body, created_at as "createdAt"'
const FIND = `select ${COLUMNS} from notes where id = $1`
const MAX_REQUEST_BYTES = 64 * 1024

/** The notes API over a tenancy. Needs no socket: `createApp(…).request('/notes', …)` runs it in a test. */
export function createApp(tenancy: Tenancy, settings: NotesSettings, send: SendMail = sendNothing) {
  const app = new Hono<AppEnv>()
  app.onError(answerError)
  app.notFound(notFound)
  app.use(requestId())

  // Says that the process answers; it does not ask the database.
  app.get('/health', (c) => c.json({ data: { status: 'ok' } }))

  // From here on every request has exactly one tenant: c.var.tenant.
  for (const path of ['/notes/*', '/settings/*'])
    app.use(path, resolveTenant, bodyLimit({ maxSize: MAX_REQUEST_BYTES, onError: tooLarge }))

  // One statement: tenancy.query runs it in a scope of its own, in one round trip.
  app.get('/notes', async (c) => {
    const { limit, before } = readPage(c.req)
    const { rows } = await tenancy.query<Note>(
      c.var.tenant,
      `select ${COLUMNS} from notes where $1::bigint is null or id < $1 order by id desc limit $2`,
      [before, limit + 1],
    )
    const data = rows.slice(0, limit)
    const hasMore = rows.length > limit
    const last = data.at(-1)
    return c.json({ data, meta: { nextCursor: hasMore && last ? toCursor(last.id) : null, hasMore } })
  })

  app.get('/notes/:id', async (c) => {
    const { rows } = await tenancy.query<Note>(c.var.tenant, FIND, [readId(c.req.param('id'))])
    return c.json({ data: rows[0] ?? notFound() })
  })

  // Several statements: tenancy.withTenant commits them together or not at all.
  app.post('/notes', async (c) => {
    const body = await readText(c.req, 'body')
    const note = await tenancy.withTenant(c.var.tenant, async (db) => {
      const { rows } = await db.query<Note>(`insert into notes (body) values ($1) returning ${COLUMNS}`, [
        body,
      ])
      const [created] = rows as [Note]
      await record(db, created.id, 'created')
      return created
    })
    return c.json({ data: note }, 201, { Location: `/notes/${note.id}` })
  })

  app.delete('/notes/:id', async (c) => {
    const id = readId(c.req.param('id'))
    await tenancy.withTenant(c.var.tenant, async (db) => {
      const { rowCount } = await db.query('delete from notes where id = $1', [id])
      if (rowCount === 0) notFound()
      await record(db, id, 'deleted')
    })
    return c.body(null, 204)
  })

  // A list shows a secret as { masked: true }, without opening it.
  app.get('/settings', async (c) => {
    const data = await tenancy.withTenant(c.var.tenant, (db) => settings.list(db))
    return c.json({ data })
  })

  app.put('/settings/:key', async (c) => {
    const key = c.req.param('key')
    if (!settings.isKey(key)) notFound()
    const value = await readText(c.req, 'value')
    const data = await tenancy.withTenant(c.var.tenant, (db) => settings.set(db, key, value))
    return c.json({ data })
  })

  // The only place that opens the secret, by its name; no transaction waits for a mail server.
  app.post('/notes/:id/mail', async (c) => {
    const id = readId(c.req.param('id'))
    const { note, smtp } = await tenancy.withTenant(c.var.tenant, async (db) => {
      const { rows } = await db.query<Note>(FIND, [id])
      const smtp = await settings.list(db, { reveal: ['smtp.password'] })
      return { note: rows[0] ?? notFound(), smtp }
    })
    const [host, user, password] = [smtp['smtp.host'], smtp['smtp.user'], smtp['smtp.password']]
    if (!host || !user || !password) throw new TenancyError('CONFLICT', 'Set smtp.host, .user and .password.')
    await send({ host: host.value, user: user.value, password: password.value }, note.body)
    return c.json({ data: { id, wouldSendVia: host.value, as: user.value } }, 202)
  })

  return app
}

async function record(db: TenantDb, noteId: string, action: 'created' | 'deleted'): Promise<void> {
  await db.query('insert into note_log (note_id, action) values ($1, $2)', [noteId, action])
}

function notFound(): never {
  throw new TenancyError('NOT_FOUND', 'There is nothing of that name here.')
}

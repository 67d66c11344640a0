import { type Actor, TenancyError } from '@org/core'
import type { TenantDb } from '@org/pg-tenant'
import type { TenantEnv } from '@org/pg-tenant/hono'
import { desc, eq, lt } from 'drizzle-orm'
import { Hono } from 'hono'
import { NewNote, notFound, OneNote, Page, valid } from './input.ts'
import { mail } from './mail.ts'
import { noteLog, notes, orm } from './schema.ts'
import type { SiteSettings } from './settings.ts'

/** What anybody may read at the client's own address. One statement: `query` takes one round trip. */
export const publicRoutes = () =>
  new Hono<TenantEnv>().get('/notes', async (c) => {
    const { rows } = await c.var.tenancy.query(
      'select body, created_at as "createdAt" from notes where published order by id desc limit 20',
    )
    return c.json({ data: rows })
  })

/** A client's notes. Whose they are stands in no statement: `c.var.tenancy` is the client's, and nobody else's. */
export const notesRoutes = (settings: SiteSettings) =>
  new Hono<TenantEnv>()
    .get('/', valid('query', Page), async (c) => {
      const { limit, cursor } = c.req.valid('query')
      const older = cursor === undefined ? undefined : lt(notes.id, cursor)
      const rows = await c.var.tenancy.transaction((db) =>
        orm(db).query.notes.findMany({ where: older, orderBy: desc(notes.id), limit: limit + 1 }),
      )
      const [data, hasMore] = [rows.slice(0, limit), rows.length > limit]
      return c.json({ data, meta: { nextCursor: hasMore ? String(data.at(-1)?.id) : null, hasMore } })
    })
    .get('/:id', valid('param', OneNote), async (c) => {
      const { id } = c.req.valid('param')
      const note = await c.var.tenancy.transaction((db) =>
        orm(db).query.notes.findFirst({ where: eq(notes.id, id) }),
      )
      return c.json({ data: note ?? notFound() })
    })
    // What happens in one transaction is committed together or not at all.
    .post('/', valid('json', NewNote), async (c) => {
      const values = c.req.valid('json')
      const note = await c.var.tenancy.transaction(async (db) => {
        const [created = notFound()] = await orm(db).insert(notes).values(values).returning()
        await record(db, c.var.actor, created.id, 'created')
        return created
      })
      return c.json({ data: note }, 201, { Location: `/notes/${note.id}` })
    })
    .delete('/:id', valid('param', OneNote), async (c) => {
      const { id } = c.req.valid('param')
      await c.var.tenancy.transaction(async (db) => {
        const deleted = await orm(db).delete(notes).where(eq(notes.id, id)).returning({ id: notes.id })
        if (deleted.length === 0) notFound()
        await record(db, c.var.actor, id, 'deleted')
      })
      return c.body(null, 204)
    })
    // Sent when this is committed, whatever happens to the process then; mail.ts says how.
    .post('/:id/mail', valid('param', OneNote), async (c) => {
      const { id } = c.req.valid('param')
      const smtp = await c.var.tenancy.transaction(async (db) => {
        if (!(await orm(db).query.notes.findFirst({ where: eq(notes.id, id) }))) notFound()
        const { 'smtp.host': host, 'smtp.user': user, 'smtp.password': password } = await settings.list(db)
        if (!host || !user || !password)
          throw new TenancyError('CONFLICT', 'Set all three first.', { details: { field: 'smtp' } })
        await mail.publish(db, 'note.mail', { id })
        return { host, user }
      })
      return c.json({ data: { id, wouldSendVia: smtp.host.value, as: smtp.user.value } }, 202)
    })

const record = (db: TenantDb, { type, id }: Actor, noteId: number, action: 'created' | 'deleted') =>
  orm(db)
    .insert(noteLog)
    .values({ noteId, action, actor: `${type}:${id}` })

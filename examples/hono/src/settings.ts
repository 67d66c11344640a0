import { defineSettings, type KeyRing, secret } from '@org/crypto'
import type { TenantEnv } from '@org/pg-tenant/hono'
import { Hono } from 'hono'
import { z } from 'zod'
import { NewValue, notFound, valid } from './input.ts'

const line = z.string().regex(/^\P{Cc}{1,255}$/u)

/** The settings every client has. `secret(…)` is what seals the password in the client's table and masks it in lists. */
export const siteSettings = (secrets: KeyRing) =>
  defineSettings({ 'smtp.host': line, 'smtp.user': line, 'smtp.password': secret(line) }, { secrets })

export type SiteSettings = ReturnType<typeof siteSettings>

export const settingsRoutes = (settings: SiteSettings) =>
  new Hono<TenantEnv>()
    .get('/', async (c) => {
      const data = await c.var.tenancy.transaction((db) => settings.list(db))
      return c.json({ data })
    })
    .put('/:key', valid('json', NewValue), async (c) => {
      const key = c.req.param('key')
      if (!settings.isKey(key)) notFound()
      const { value } = c.req.valid('json')
      const data = await c.var.tenancy.transaction((db) => settings.set(db, key, value))
      return c.json({ data })
    })

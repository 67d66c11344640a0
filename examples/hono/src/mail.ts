import type { Queryable } from '@org/core'
import { outbox } from '@org/governance/outbox'
import { createWorker, GiveUp } from '@org/governance/outbox/worker'
import type { Tenancy } from '@org/pg-tenant'
import { eq } from 'drizzle-orm'
import { errorLog, type Log } from './log.ts'
import { notes, orm } from './schema.ts'
import type { SiteSettings } from './settings.ts'

type Smtp = Record<'host' | 'user' | 'password', string>
/** Hands a note to the client's mail server. The same `id` may come twice: it belongs into `Message-ID`. */
export type SendMail = (smtp: Smtp, body: string, id: string) => Promise<void>

/** A schema of the site's own: what else uses the database may have an outbox, too. */
export const OUTBOX = { controlSchema: 'site' }
/** Mail that is asked for, committed with what asks for it. It carries a number: no text waits outside of its client. */
export const mail = outbox<{ 'note.mail': { id: number } }>({ types: ['note.mail'], ...OUTBOX })

/** Sends mail at least once. The only place that opens the secret, by its name. `send` is where a mail library comes in. */
export const postOffice = (
  { tenancy, control }: { tenancy: Tenancy; control: Queryable },
  { settings, log, send = async () => {} }: { settings: SiteSettings; log: Log; send?: SendMail },
) =>
  createWorker({
    control,
    tenants: tenancy,
    outbox: mail,
    handlers: {
      'note.mail': async ({ payload: { id } }, { withTenant, requireLease, idempotencyKey }) => {
        const [note, smtp] = await withTenant(async (db) => [
          await orm(db).query.notes.findFirst({ where: eq(notes.id, id) }),
          await settings.list(db, { reveal: ['smtp.password'] }),
        ])
        const [host, user, password] = [smtp['smtp.host'], smtp['smtp.user'], smtp['smtp.password']]
        if (!note || !host || !user || !password) throw new GiveUp('NO_LONGER_THERE')
        // The scope has ended: no transaction waits for a mail server.
        const server = { host: host.value, user: user.value, password: password.value }
        await requireLease()
        await send(server, note.body, idempotencyKey)
      },
    },
    onProblem: ({ error, tenant }) => errorLog(log)(error, { tenantId: tenant }),
  })

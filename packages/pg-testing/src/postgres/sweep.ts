import type { Client } from 'pg'
import { quoteIdentifier, withClient } from './admin.ts'
import { dropDatabase } from './databases.ts'
import { isDead, parseOwner } from './owner.ts'
import { TEMPLATE_NAME } from './template.ts'

const TEMPLATE_LIFETIME_MS = 24 * 3600 * 1000

const OURS_BY_PREFIX = `SELECT datname AS name FROM pg_database WHERE starts_with(datname, 'pgtt_')`

const COMMENT = `SELECT shobj_description(oid, 'pg_database') AS comment FROM pg_database WHERE datname = $1`

// The lock a user of the template holds while taking it; one that is in use is not dropped under him.
const TRY_LOCK = `SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS locked`

/**
 * Drops what crashed runs left on a server that outlives them: databases whose name says that their owner
 * ran on this host and has died, and templates that nobody used for a day. Never any other database.
 */
export async function sweepDatabases(url: string): Promise<void> {
  await withClient(url, async (client) => {
    const { rows } = await client.query<{ name: string }>(OURS_BY_PREFIX)
    for (const { name } of rows) {
      const owner = parseOwner(name)
      // Another run may sweep the same ones at the same time: a failure here is no reason not to start.
      if (owner && isDead(owner)) await dropDatabase(url, name).catch(() => undefined)
      if (TEMPLATE_NAME.test(name)) await sweepTemplate(client, name).catch(() => undefined)
    }
  })
}

async function sweepTemplate(client: Client, name: string): Promise<void> {
  const lock = await client.query<{ locked: boolean }>(TRY_LOCK, [name])
  if (!lock.rows[0]?.locked) return
  // Read under the lock, as someone may have used it since.
  const found = await client.query<{ comment: string | null }>(COMMENT, [name])
  if (isStale(found.rows[0]?.comment)) await client.query(`DROP DATABASE ${quoteIdentifier(name)}`)
}

/** A comment we did not write keeps the database. */
function isStale(comment: string | null | undefined): boolean {
  const lastUsed = Date.parse(/^last used (\S+)$/.exec(comment ?? '')?.[1] ?? '')
  return Date.now() - lastUsed > TEMPLATE_LIFETIME_MS
}

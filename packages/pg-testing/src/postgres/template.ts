import { createHash } from 'node:crypto'
import type { Client } from 'pg'
import { quoteIdentifier, quoteLiteral, sqlState, withClient } from './admin.ts'
import { createOwnedDatabase } from './databases.ts'
import { reason, TestPostgresError } from './error.ts'
import type { TemplateDatabase } from './types.ts'

const OBJECT_IN_USE = '55006'

const EXISTS = 'SELECT FROM pg_database WHERE datname = $1'
const LOCK = `SELECT pg_advisory_lock(hashtextextended($1, 0))`

const digest = (id: string): string => createHash('sha256').update(id).digest('hex').slice(0, 24)

/** The name of the template for an id; the sweep knows it by the same pattern. */
export const templateName = (id: string): string => `pgtt_template_${digest(id)}`
export const TEMPLATE_NAME = /^pgtt_template_[0-9a-f]{24}$/

/** The comment is the time of last use: what the sweep goes by on a server that outlives the run. */
const touchSql = (name: string): string =>
  `COMMENT ON DATABASE ${quoteIdentifier(name)} IS ${quoteLiteral(`last used ${new Date().toISOString()}`)}`

/** Builds the template of this id unless the server has it; see `PostgresServer.template`. */
export async function ensureTemplate(
  url: string,
  id: string,
  build: (url: string) => Promise<void>,
): Promise<TemplateDatabase> {
  const template = { name: templateName(id), id }
  await withClient(url, async (client) => {
    // Held by this connection: a builder that dies gives it up, and the next in line builds.
    await client.query(LOCK, [template.name])
    const found = await client.query(EXISTS, [template.name])
    if (found.rowCount === 0) await buildTemplate(client, url, template, build)
    await client.query(touchSql(template.name))
  })
  return template
}

/** Builds under an owned name and renames at the end: a template of the final name is always complete. */
async function buildTemplate(
  client: Client,
  url: string,
  template: TemplateDatabase,
  build: (url: string) => Promise<void>,
): Promise<void> {
  const draft = await createOwnedDatabase(url)
  try {
    await build(draft.url)
    // Closed to everybody first: a database with a session in it can be neither renamed nor cloned.
    await client.query(`ALTER DATABASE ${quoteIdentifier(draft.name)} WITH ALLOW_CONNECTIONS false`)
    await client.query(touchSql(draft.name))
    await client.query(
      `ALTER DATABASE ${quoteIdentifier(draft.name)} RENAME TO ${quoteIdentifier(template.name)}`,
    )
  } catch (error) {
    await draft.drop().catch(() => undefined)
    const why = sqlState(error) === OBJECT_IN_USE ? 'build() left connections open' : reason(error)
    throw new TestPostgresError('TEMPLATE_FAILED', `cannot build template ${template.id}: ${why}`, {
      cause: error,
    })
  }
}

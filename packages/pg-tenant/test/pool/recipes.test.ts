import { readFile } from 'node:fs/promises'
import * as drizzleOrm from 'drizzle-orm/node-postgres'
import knex, { type Knex } from 'knex'
import Postgres from 'knex/lib/dialects/postgres/index.js'
import * as kysely from 'kysely'
import * as sequelize from 'sequelize'
import * as typeorm from 'typeorm'
import { describe, expect, it } from 'vitest'
import { useWorld } from '../support/world.ts'

const world = useWorld()
const SCHEMA = 'select current_schema() as schema'
const modules: Readonly<Record<string, unknown>> = {
  'drizzle-orm/node-postgres': drizzleOrm,
  'knex/lib/dialects/postgres/index.js': Postgres,
  knex,
  kysely,
  sequelize,
  typeorm,
}

/** What the block of a library names, as it stands in the recipe: a function that makes a client for a tenant. */
async function recipe<T>(library: string, name: string): Promise<(key: string) => T> {
  const page = await readFile(new URL('../../../../docs/recipes/libraries.md', import.meta.url), 'utf8')
  const [, code = ''] = new RegExp(`## ${library}\n.*?\`\`\`ts\n(.*?)\`\`\``, 's').exec(page) ?? []
  const body = code
    .replace(/import (\{.*?\}) from '(.*?)'/g, "const $1 = modules['$2']")
    .replace(/import (\w+) from '(.*?)'/g, "const $1 = modules['$2']")
  return new Function('modules', 'tenancy', `${body}\nreturn ${name}`)(modules, world.tenancy())
}

/** For each tenant, in which schema the library's client finds itself. */
async function schemas<T>(
  make: (key: string) => T,
  ask: (client: T) => Promise<unknown[]>,
): Promise<unknown[]> {
  return await Promise.all(['acme', 'globex'].map(async (key) => (await ask(make(key)))[0]))
}
const EACH = [{ schema: 'c_acme' }, { schema: 'c_globex' }]

describe('the recipe for', () => {
  it('Kysely', async () => {
    const of = await recipe<kysely.Kysely<unknown>>('Kysely', 'kyselyOf')
    expect(await schemas(of, async (db) => (await kysely.sql.raw(SCHEMA).execute(db)).rows)).toEqual(EACH)
  })

  it('Drizzle', async () => {
    const of = await recipe<drizzleOrm.NodePgDatabase>('Drizzle', 'drizzleOf')
    expect(await schemas(of, async (db) => (await db.execute(SCHEMA)).rows)).toEqual(EACH)
  })

  it('Knex', async () => {
    const of = await recipe<Knex>('Knex', 'knexOf')
    const ask = async (db: Knex) => {
      const { rows } = await db.raw(SCHEMA)
      await db.destroy()
      return rows
    }
    expect(await schemas(of, ask)).toEqual(EACH)
  })

  it('TypeORM', async () => {
    const of = await recipe<typeorm.DataSource>('TypeORM', 'typeormOf')
    const ask = async (source: typeorm.DataSource) => {
      await source.initialize()
      const rows = await source.query(SCHEMA)
      await source.destroy()
      return rows
    }
    expect(await schemas(of, ask)).toEqual(EACH)
  })

  it('Sequelize', async () => {
    const of = await recipe<sequelize.Sequelize>('Sequelize', 'sequelizeOf')
    const ask = async (db: sequelize.Sequelize) => {
      const [rows] = await db.query(SCHEMA)
      await db.close()
      return rows
    }
    expect(await schemas(of, ask)).toEqual(EACH)
  })
})

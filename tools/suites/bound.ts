import { createTenancy } from '@org/pg-tenant'
import pg from 'pg'
import { SUITES } from './libraries.ts'
import { schemaCommands } from './schemas.ts'

// What a suite's `import 'pg'` gets: `pg` as it is, `pg` with the role and path of a tenant, or the tenant's own.

const { SUITE = '', SUITE_MODE = '', SUITE_URL: connectionString = '' } = process.env
const { SUITE_SCHEMA: schema = '', SUITE_ROLE: role = '' } = process.env

/** What the suite asks for, to our server instead of the one it has in mind. */
function redirected(config: unknown, options: string | undefined): pg.ClientConfig {
  const { host, port, user, password, database, ssl, ...rest } = (
    typeof config === 'object' && config !== null ? config : {}
  ) as pg.ClientConfig
  return { ...rest, connectionString, ...(options && { options }) }
}

function plain(options?: string): Pick<typeof pg, 'Pool' | 'Client'> {
  class Client extends pg.Client {
    constructor(config?: unknown) {
      super(redirected(config, options))
    }
  }
  class Pool extends pg.Pool {
    constructor(config?: unknown) {
      super({ ...redirected(config, options), Client: Client as never })
    }
  }
  return { Pool, Client }
}

function through(): Pick<typeof pg, 'Pool' | 'Client'> {
  const tenancy = createTenancy({ pool: new pg.Pool({ connectionString, max: 20, allowExitOnIdle: true }) })
  return tenancy.pg('suite', { errors: 'pg' })
}

const kinds: Readonly<Record<string, () => Pick<typeof pg, 'Pool' | 'Client'>>> = {
  raw: () => plain(),
  fenced: () => plain(`-c role=${role} -c search_path=${schema}`),
  through,
}
const make = kinds[SUITE_MODE]
if (!make) throw new Error('SUITE_MODE is raw, fenced or through')
export const { Pool, Client } = make()
if (SUITES[SUITE]?.schemas && SUITE_MODE !== 'raw') standIn(Client.prototype)

function standIn(client: pg.Client): void {
  const query: (...args: unknown[]) => unknown = client.query
  const run = schemaCommands(connectionString, role, schema)
  const instead = async (self: pg.Client, args: unknown[], text: string) =>
    (await run(text)) ?? query.apply(self, args)
  Object.assign(client, {
    query(this: pg.Client, ...args: unknown[]) {
      const [first] = args
      const text = typeof first === 'string' ? first : ((first as { text?: unknown } | undefined)?.text ?? '')
      const ours =
        /^\s*(create|drop) schema/i.test(String(text)) && !args.some((one) => typeof one === 'function')
      return ours ? instead(this, args, String(text)) : query.apply(this, args)
    },
  })
}
export const {
  types,
  Connection,
  Query,
  Result,
  DatabaseError,
  TypeOverrides,
  defaults,
  escapeIdentifier,
  escapeLiteral,
} = pg as typeof pg & Record<'Result', unknown>

const bound = {
  ...{ Pool, Client, types, Connection, Query, Result, DatabaseError, TypeOverrides, defaults },
  ...{ escapeIdentifier, escapeLiteral },
}

// biome-ignore lint/style/noDefaultExport: pg has one
export { bound as default, bound as 'module.exports' }

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startPostgres, testSealing, testTenancy } from '@org/pg-testing'
import pg from 'pg'
import { createTenancy, type IsolationLevel, type TenancyOptions } from '../../src/index.ts'
import { randomCycle } from './random-cycle.ts'

// Random schemas by the thousand, level after level, on a server of its own:
//   node --conditions=@org/source packages/pg-tenant/test/archive/random-run.ts --version 18 --seed 1 --count 1000
// `TEST_PROGRAMS` names the folder of a pg_dump as new as the server. Every difference is printed with its seed, which repeats it.

const { values } = parseArgs({
  options: {
    version: { type: 'string', default: '18' },
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '100' },
    level: { type: 'string' },
  },
})
const LEVELS: readonly IsolationLevel[] = ['role', 'schema', 'login', 'database']
/** Databases grow, and what a server remembers of dropped objects with them. */
const PER_WORLD = 25

const server = await startPostgres({
  version: Number(values.version) as 18,
  prefer: 'embedded',
  settings: { jit: 'off', wal_level: 'minimal', max_wal_senders: '0', autovacuum: 'on' },
})
const folder = await mkdtemp(join(tmpdir(), 'random-run-'))
const [first, count] = [Number(values.seed), Number(values.count)]
const seen = { schemas: 0, statements: 0, made: 0, dumped: 0, differing: 0 }

for (let at = 0; at < count; at += PER_WORLD) {
  const world = await testTenancy<ReturnType<typeof createTenancy>, TenancyOptions>(createTenancy, {
    server: server.url,
    createdb: true,
  })
  const pool = world.pool({ max: 3 })
  const at_ = (level: IsolationLevel) => ({ prefix: `${level}_`, role: `${world.rolePrefix}${level}_` })
  const tenancies = new Map(
    LEVELS.map((level) => {
      const logsIn = level === 'login' || level === 'database'
      const { prefix, role } = at_(level)
      const parts = { isolation: level, schemaPrefix: prefix, rolePrefix: role, pool }
      return [level, world.open({ ...parts, ...(logsIn ? { credentials: testSealing() } : {}) })] as const
    }),
  )
  for (let seed = first + at; seed < Math.min(first + count, first + at + PER_WORLD); seed++) {
    const level = (values.level as IsolationLevel | undefined) ?? LEVELS[seed % LEVELS.length] ?? 'role'
    const tenancy = tenancies.get(level)
    if (!tenancy) throw new Error(`no level ${level}`)
    const { prefix, role } = at_(level)
    const urlOf = (key: string) =>
      level === 'database'
        ? Object.assign(new URL(world.url), { pathname: `/${role}${key}` }).href
        : world.url
    const rootAt = async (key: string, sql: string, parameters?: unknown[]) => {
      if (level !== 'database') return await world.root.query(sql, parameters)
      const client = new pg.Client(urlOf(key))
      await client.connect()
      return await client.query(sql, parameters).finally(() => client.end())
    }
    const names = { schemaOf: (key: string) => `${prefix}${key}`, roleOf: (key: string) => `${role}${key}` }
    const outcome = await randomCycle({ tenancy, level, urlOf, rootAt, folder, ...names }, seed).catch(
      (error) => ({ statements: 0, made: 0, dumped: false, differences: [String(error.stack)] }),
    )
    seen.schemas++
    seen.statements += outcome.statements
    seen.made += outcome.made
    if (outcome.dumped) seen.dumped++
    if (outcome.differences.length > 0) {
      seen.differing++
      console.log(
        `DIFFERS version ${values.version} level ${level} seed ${seed}\n${outcome.differences.join('\n')}`,
      )
    }
    if (seen.schemas % 20 === 0) console.log(new Date().toISOString(), JSON.stringify(seen))
  }
  await world.close().catch((error) => console.log(`close: ${error}`))
}
console.log(`version ${values.version}: ${JSON.stringify(seen)}`)
await rm(folder, { recursive: true, force: true })
await server.stop()
process.exit(seen.differing > 0 ? 1 : 0)

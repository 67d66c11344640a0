import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startPostgres, testSealing, testTenancy } from '@org/pg-testing'
import pg from 'pg'
import { createTenancy, type IsolationLevel, type TenancyOptions } from '../../src/index.ts'
import { canDump, randomCycles } from './random-cycle.ts'

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
/** A database of its own costs the server three times as much. */
const LEVELS: readonly IsolationLevel[] = ['role', 'schema', 'login', 'role', 'database', 'schema', 'login']
/** Tenants that are there at once: one pg_dump reads all of them. */
const PER_TURN = 12
/** Databases grow, and what a server remembers of dropped objects with them. */
const TURNS_PER_WORLD = 3

if (!(await canDump(Number(values.version))))
  throw new Error('TEST_PROGRAMS has to be the folder of a pg_dump that is no older than the server.')
const server = await startPostgres({
  version: Number(values.version) as 18,
  prefer: 'embedded',
  settings: { jit: 'off', wal_level: 'minimal', max_wal_senders: '0', autovacuum: 'on' },
})
const folder = await mkdtemp(join(tmpdir(), 'random-run-'))
const [first, count] = [Number(values.seed), Number(values.count)]
const seen = { schemas: 0, statements: 0, made: 0, dumped: 0, differing: 0 }

for (let at = 0; at < count; at += PER_TURN * TURNS_PER_WORLD) {
  const world = await testTenancy<ReturnType<typeof createTenancy>, TenancyOptions>(createTenancy, {
    server: server.url,
    createdb: true,
  })
  const pool = world.pool({ max: 3 })
  for (let turn = 0; turn < TURNS_PER_WORLD; turn++) {
    const begin = first + at + turn * PER_TURN
    const seeds = Array.from({ length: PER_TURN }, (_, more) => begin + more).filter(
      (seed) => seed < first + count,
    )
    const level =
      (values.level as IsolationLevel | undefined) ??
      LEVELS[Math.floor(begin / PER_TURN) % LEVELS.length] ??
      'role'
    const [prefix, role] = [`${level}${turn}_`, `${world.rolePrefix}${level}${turn}_`]
    const logsIn = level === 'login' || level === 'database'
    const tenancy = world.open({
      ...{ isolation: level, schemaPrefix: prefix, rolePrefix: role, pool },
      ...(logsIn ? { credentials: testSealing() } : {}),
    })
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
    const outcomes = await randomCycles({ tenancy, level, urlOf, rootAt, folder, ...names }, seeds)
    for (const [index, outcome] of outcomes.entries()) {
      seen.schemas++
      seen.statements += outcome.statements
      seen.made += outcome.made
      if (outcome.dumped) seen.dumped++
      if (outcome.differences.length === 0) continue
      seen.differing++
      const which = `version ${values.version} level ${level} seed ${seeds[index]}`
      console.log(`DIFFERS ${which}\n${outcome.differences.join('\n')}`)
    }
    if (seeds.length > 0) console.log(new Date().toISOString(), level, JSON.stringify(seen))
  }
  await world.close().catch((error) => console.log(`close: ${error}`))
}
console.log(`version ${values.version}: ${JSON.stringify(seen)}`)
await rm(folder, { recursive: true, force: true })
await server.stop()
process.exit(seen.differing > 0 ? 1 : 0)

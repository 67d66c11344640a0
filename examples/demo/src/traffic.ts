import { atOnce } from './at-once.ts'
import type { Claims } from './claims.ts'
import { type Api, call } from './client.ts'
import { dim, duration, line, table } from './print.ts'

const REQUESTS = 200
const AT_A_TIME = 25

interface Note {
  readonly id: number
  readonly body: string
}

/** What one tenant sent and saw. */
interface Tally {
  wrote: number
  reads: number
  rowsRead: number
  foreign: number
  unexpected: number
}

/** Both tenants write and read at once, over HTTP; every note says in its text whose it is. */
export async function showTraffic(
  api: Api,
  tenants: readonly string[],
  connections: number,
  claims: Claims,
): Promise<void> {
  const tallies = new Map(tenants.map((tenant) => [tenant, emptyTally()]))
  const started = performance.now()
  await atOnce([...Array(REQUESTS).keys()], AT_A_TIME, async (at) => {
    const tenant = tenants[at % tenants.length] ?? ''
    const tally = tallies.get(tenant) ?? emptyTally()
    const writes = Math.floor(at / tenants.length) % 2 === 0
    await (writes ? write(api, tenant, tally) : read(api, tenant, tally))
  })
  const took = duration(performance.now() - started)
  line(dim(`${REQUESTS} requests, ${AT_A_TIME} at a time, on a pool of ${connections} connections: ${took}`))
  line()
  table(
    ['tenant', 'notes written', 'lists read', 'rows seen', 'of these its own', "another's"],
    [...tallies].map(([tenant, t]) => [
      tenant,
      t.wrote,
      t.reads,
      t.rowsRead,
      t.rowsRead - t.foreign,
      t.foreign,
    ]),
  )
  line()
  const all = [...tallies.values()]
  claims.check(
    all.every((t) => t.unexpected === 0) && sum(all, 'wrote') + sum(all, 'reads') === REQUESTS,
    'every request was answered as it should be',
    `${sum(all, 'wrote')} × 201, ${sum(all, 'reads')} × 200`,
  )
  claims.check(
    sum(all, 'foreign') === 0 && all.every((t) => t.rowsRead > 0),
    'each tenant saw only its own rows',
    `${sum(all, 'foreign')} of ${sum(all, 'rowsRead')} rows were another's`,
  )
  await compareSameId(api, tenants, claims)
}

/** Both have a note 1, and each gets its own. */
async function compareSameId(api: Api, tenants: readonly string[], claims: Claims): Promise<void> {
  const bodies: string[] = []
  for (const tenant of tenants) {
    const { body } = await call(api, { path: '/notes/1', clientKey: tenant })
    bodies.push((body.data as Note | undefined)?.body ?? 'nothing')
  }
  const own = tenants.every((tenant, at) => isOf(tenant, bodies[at] ?? ''))
  claims.check(
    own,
    'GET /notes/1 is a note of its own for each',
    bodies.map((body) => `“${body}”`).join(' and '),
  )
}

async function write(api: Api, tenant: string, tally: Tally): Promise<void> {
  const body = `${tenant}'s note ${tally.wrote + 1}`
  const answer = await call(api, { method: 'POST', path: '/notes', clientKey: tenant, body: { body } })
  tally.wrote++
  if (answer.status !== 201) tally.unexpected++
}

async function read(api: Api, tenant: string, tally: Tally): Promise<void> {
  const answer = await call(api, { path: '/notes?limit=100', clientKey: tenant })
  tally.reads++
  if (answer.status !== 200) {
    tally.unexpected++
    return
  }
  const notes = answer.body.data as Note[]
  tally.rowsRead += notes.length
  tally.foreign += notes.filter(({ body }) => !isOf(tenant, body)).length
}

function isOf(tenant: string, body: string): boolean {
  return body.startsWith(`${tenant}'s `)
}

function emptyTally(): Tally {
  return { wrote: 0, reads: 0, rowsRead: 0, foreign: 0, unexpected: 0 }
}

function sum(tallies: readonly Tally[], field: keyof Tally): number {
  return tallies.reduce((total, tally) => total + tally[field], 0)
}

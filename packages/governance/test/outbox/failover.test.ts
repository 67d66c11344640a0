// @module-tag sampled
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { startWireProxy, type WireProxy } from '@org/pg-testing'
import { afterEach, expect, it, onTestFinished } from 'vitest'
import { acme, globex, useOutbox } from '../support/outbox-world.ts'
import { eventually } from '../support/world.ts'

// Two workers, each a process of its own, and what happens to one of them while both have events in hand: the other takes over,
// nothing is lost, and nothing is done twice that has a key.

const there = useOutbox('role', {}, [{ id: '0003_unique', sql: 'create unique index on notes (body)' }])
const EVENTS = 150

function begin(controlUrl: string, applicationUrl: string): ChildProcess {
  const { world } = there.setting
  const script = join(import.meta.dirname, 'fixtures', 'worker.ts')
  const prefixes = `role_,${world.rolePrefix}role_`
  const options = ['--conditions=@org/source', '--disable-warning=ExperimentalWarning']
  const child = spawn(process.execPath, [...options, script, controlUrl, applicationUrl, prefixes], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

/** A link that can be made to swallow everything, without a word: a cable that is pulled. */
async function link(target: string, isCut: () => boolean): Promise<WireProxy> {
  const proxy = await startWireProxy({ target, onMessage: () => (isCut() ? 'black-hole' : 'deliver') })
  onTestFinished(() => proxy.close())
  return proxy
}

const done = async () => (await there.tenancy.query(acme, 'select from notes')).rowCount ?? 0
const count = async (sql: string) =>
  Number((await there.control.query<{ n: string }>(`select count(*) as n from governance.${sql}`)).rows[0]?.n)

afterEach(async () => {
  await there.tenancy.query(acme, 'delete from notes')
  await there.control.query(`select governance.outbox_forget('acme')`)
})

it.each(process.env.TEST_SLOW ? ['stalled', 'cut from the network'] : ['killed'])(
  'of two workers one is %s: the other does the rest, everything once',
  async (what) => {
    let cut = false
    const [control, application] = await Promise.all(
      [there.controlUrl, there.setting.directUrl].map((url) => link(url, () => cut)),
    )
    const [one] = [
      begin(String(control?.url), String(application?.url)),
      begin(there.controlUrl, there.setting.directUrl),
    ]
    const ids = await there.tenancy.withTenant(acme, (db) =>
      there.events.publishAll(
        db,
        Array.from({ length: EVENTS }, () => ({ type: 'effect', payload: 1 })),
      ),
    )
    await eventually(async () => (await done()) > 0)
    if (what === 'killed') one?.kill('SIGKILL')
    if (what === 'stalled') one?.kill('SIGSTOP')
    if (what === 'cut from the network') cut = true
    await there.tenancy.withTenant(acme, (db) => there.events.publish(db, 'effect', 2))
    await eventually(async () => (await done()) === EVENTS + 1)
    if (what === 'stalled') one?.kill('SIGCONT')
    cut = false
    await eventually(async () => (await count('outbox_lease where not over')) === 0)
    const { rows } = await there.tenancy.query<{ body: string }>(acme, 'select body from notes')
    const bodies = new Set(rows.map(({ body }) => body))
    expect(bodies.size, 'each once').toBe(rows.length)
    expect(ids.every((id) => bodies.has(`acme:${id}`))).toBe(true)
    expect(await count('outbox_dead')).toBe(0)
    expect(
      (await there.tenancy.query(globex, 'select from notes')).rowCount,
      'nothing of another tenant',
    ).toBe(0)
  },
)

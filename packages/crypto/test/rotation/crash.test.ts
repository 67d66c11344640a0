import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it, onTestFinished } from 'vitest'
import { rotate } from '../../src/index.ts'
import { KEY_1, KEY_2, ring } from '../support/envelopes.ts'
import { stored, useTenants } from '../support/tenants.ts'
import { eventually } from '../support/world.ts'
import { fill, intact } from './fleet-world.ts'

const world = useTenants(['a'])

/** Runs the script until it says that it is in the middle, and kills it there. */
async function killedInTheMiddle(): Promise<void> {
  const script = join(import.meta.dirname, 'fixtures/rotate-and-hang.ts')
  const child = spawn(
    process.execPath,
    ['--conditions=@org/source', script, world.appUrl, world.rolePrefix],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  const said: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line)
    child.kill('SIGKILL')
  }
  expect(said).toEqual(['in the middle'])
  expect(await exited).toEqual([null, 'SIGKILL'])
}

it('a rotation that is killed (kill -9) in the middle is simply started again', async () => {
  const [old, both, fresh] = [ring(KEY_1), ring(KEY_2, [KEY_1]), ring(KEY_2)]
  await world.app.withTenant('a', (db) => fill(db, old))
  const before = await stored(world, 'a')

  await killedInTheMiddle()
  await eventually(async () => {
    const { rows } = await world.root.query(
      `select 1 from pg_stat_activity where usename = $1 and state <> 'idle' and datname = current_database()`,
      [world.appRole],
    )
    return rows.length === 0
  })

  const after = await stored(world, 'a')
  const changed = Object.keys(before).filter((key) => after[key] !== before[key])
  expect(changed).toHaveLength(2)
  expect(await world.app.withTenant('a', (db) => intact(db, both))).toBe(true)

  const report = await rotate({
    tenants: ['a'],
    secrets: both,
    withTenant: (tenant, fn) => world.app.withTenant(tenant, fn),
  })
  expect(report).toMatchObject({ examined: 5, current: 2, resealed: 3, complete: true })
  expect(await world.app.withTenant('a', (db) => intact(db, fresh))).toBe(true)
})

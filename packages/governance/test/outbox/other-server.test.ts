import { expect, it } from 'vitest'
import { outbox } from '../../src/outbox/index.ts'
import { createWorker, type WorkerProblem } from '../../src/outbox/worker/index.ts'
import { acme, useOutbox } from '../support/outbox-world.ts'
import { eventually } from '../support/world.ts'

const there = useOutbox('role')

it('what a dump brought to a server whose transactions are behind is not worked on, and nothing is passed over', async () => {
  const { root } = there.setting.world
  const told: WorkerProblem[] = []
  const got: unknown[] = []
  const worker = createWorker({
    control: there.control,
    tenants: there.tenancy,
    handlers: { 'a.b': async ({ payload }) => void got.push(payload) },
    onProblem: (problem) => told.push(problem),
  })
  const { rows } = await root.query(
    'select id, snapshot from governance.outbox_tick order by id desc limit 1',
  )
  await root.query(`update governance.outbox_tick set snapshot = '5000000000:5000000000:' where id = $1`, [
    rows[0].id,
  ])
  await there.tenancy.withTenant(acme, (db) => outbox().publish(db, 'a.b', 1))
  await expect(worker.drain()).rejects.toMatchObject({
    code: 'CONFLICT',
    details: { reason: 'other_server' },
  })
  worker.start()
  await eventually(async () => told.some(({ kind }) => kind === 'queue'))
  await worker.stop()
  expect(got).toEqual([])
  await root.query('update governance.outbox_tick set snapshot = $2 where id = $1', [
    rows[0].id,
    rows[0].snapshot,
  ])
  await worker.drain()
  expect(got).toEqual([1])
})

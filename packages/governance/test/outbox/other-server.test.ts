// @module-tag slow: a second server; checks.test.ts has the positions of another one.
import type { CheckPlace } from '@org/core'
import { expect, it } from 'vitest'
import { otherServerFindings } from '../../src/checks/other-server.ts'
import { outbox } from '../../src/outbox/index.ts'
import { createWorker, type WorkerProblem } from '../../src/outbox/worker/index.ts'
import { acme, useOutbox } from '../support/outbox-world.ts'
import { eventually } from '../support/world.ts'

const there = useOutbox('role')

/** Five thousand million transactions: how far ahead the server was that the dump is of. */
const ahead = (xid: string) => `((${xid})::text::numeric + 5000000000)::text::xid8`
/** What a dump brings: every number as it was there. */
const BROUGHT = `set search_path to governance; update outbox set xid = ${ahead('xid')};
  update outbox_ready set xid = ${ahead('xid')}; update outbox_loose set xid = ${ahead('xid')}; update outbox_ordered set xid = ${ahead('xid')};
  update outbox_lease set xids = array(select ${ahead('x')} from unnest(xids) with ordinality t (x, at) order by at);
  update outbox_tick set snapshot = format('%s:%s:', ${ahead('pg_snapshot_xmin(snapshot)')}, ${ahead('pg_snapshot_xmax(snapshot)')})::pg_snapshot; reset search_path`

it('what a dump brought to a server whose transactions are behind is not worked on until doctor’s statements ran; then each comes once', async () => {
  const { root } = there.setting.world
  const told: WorkerProblem[] = []
  const got: unknown[] = []
  const workerOf = () =>
    createWorker({
      control: there.control,
      tenants: there.tenancy,
      handlers: { 'a.b': async ({ payload }) => void got.push(payload) },
      onProblem: (problem) => told.push(problem),
    })
  const publish = (payload: string, key?: string) =>
    there.tenancy.withTenant(acme, (db) => outbox().publish(db, 'a.b', payload, key ? { key } : {}))
  const place: CheckPlace = {
    query: (text, values) => root.query(text, values as unknown[]),
    tenant: undefined,
    schemas: async () => [],
  }
  const found = () => otherServerFindings(place, 'governance')
  await publish('delivered')
  await workerOf().drain()
  expect(got.splice(0)).toEqual(['delivered'])
  for (const [payload, key] of [['queued'], ['first', 'k'], ['second', 'k']] as const)
    await publish(payload, key)
  await eventually(async () => {
    await root.query('select governance.outbox_dispatch()')
    return (await root.query('select from governance.outbox_ordered')).rows.length === 2
  })
  await publish('not dispatched')
  expect(await found()).toEqual([])

  await root.query(BROUGHT)
  await publish('here')
  const worker = workerOf()
  const refused = { code: 'CONFLICT', details: { reason: 'other_server' } }
  await expect(worker.drain()).rejects.toMatchObject(refused)
  worker.start()
  await eventually(async () => told.some(({ kind }) => kind === 'queue'))
  await worker.stop()
  expect(got).toEqual([])

  const [finding] = await found()
  await root.query(finding?.fix.split('owner: ')[1] ?? '')
  expect(await found()).toEqual([])
  await publish('behind')
  await workerOf().drain()
  expect(got.toSorted()).toEqual(['behind', 'first', 'here', 'not dispatched', 'queued', 'second'])
  expect(got.indexOf('first')).toBeLessThan(got.indexOf('second'))
})

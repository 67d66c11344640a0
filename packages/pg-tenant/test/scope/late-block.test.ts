import { expect, it } from 'vitest'
import { codeOf, useWorld } from '../support/world.ts'

const world = useWorld()

it('what ended while it waited for the connection sends nothing, and does not pass for what opened the scope', async () => {
  const pool = world.pool({ max: 1 })
  const tenancy = world.tenancy({ pool })
  await tenancy.provision('acme')
  await world.root.query('create table public.notes (id integer, body text)')
  await world.root.query('grant select, insert on public.notes to public')
  const held = await pool.connect()
  const scope = tenancy.open('acme')
  scope.savepoint('a')
  const late = codeOf(scope.db.query(`insert into notes (body) values ('late')`))
  await scope.rollbackTo('a')
  held.release()
  expect(await late).toBe('SCOPE_ENDED')
  // guard: this is the scope's first statement, so it opens it
  await scope.db.query(`insert into notes (body) values ('kept')`)
  await scope.commit()
  expect((await world.root.query('select body from public.notes')).rows).toEqual([])
  expect((await tenancy.query('acme', 'select body from notes')).rows).toEqual([{ body: 'kept' }])
})

import pg from 'pg'
import { expect, it } from 'vitest'
import { eventually } from '../support/world.ts'
import { useSetting } from './setting.ts'

const setting = useSetting()

it('drops a database in which somebody works whom the administrator may not end', async () => {
  // As a worker of autovacuum would be there: a superuser's session, which leaves when it is done.
  const tenancy = setting.tenancy('database')
  await tenancy.provision('busy')
  const name = setting.roleOf('database', 'busy')
  const url = new URL(setting.world.url)
  url.pathname = `/${name}`
  const worker = new pg.Client(url.href)
  await worker.connect()
  const dropped = tenancy.drop('busy')
  const waits = `select from pg_stat_activity where query = $1 and state = 'active'`
  await eventually(
    async () => (await setting.world.root.query(waits, [`drop database "${name}"`])).rowCount === 1,
  )
  await worker.end()
  expect(await dropped).toBe(true)
})

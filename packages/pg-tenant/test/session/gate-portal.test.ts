import { expect, it } from 'vitest'
import type { IsolationLevel } from '../../src/index.ts'
import { codeOf, POOLED, useWorld } from '../support/world.ts'

// All gates of a process have the same name for their portal. It is no secret: what matters is that nothing can have that name when
// the next scope opens, because a portal ends with its transaction, and what was held is closed behind COMMIT.

const world = useWorld()

const TAKES_ITS_NAME = `do $hostile$
  declare one text;
  begin
    select name into strict one from pg_cursors where name like 'pgt_gate%';
    execute format('close %I', one);
    execute format('declare %I cursor with hold for select 0', one);
  end $hostile$`

it.skipIf(POOLED).each<IsolationLevel>(['role', 'schema'])(
  'who takes the name of the gate’s portal at level %s, and holds it, leaves the next tenant as it was',
  async (isolation) => {
    const pool = world.pool({ max: 1 })
    const tenancy = world.tenancy({ pool, isolation, schemaPrefix: `g${isolation[0]}_` })
    for (const key of ['acme', 'globex']) {
      await tenancy.provision(key)
      await tenancy.query(key, 'insert into notes (body) values ($1)', [`of ${key}`])
    }
    const mine = async (key: string) => (await tenancy.query(key, 'select body from notes')).rows
    const hostile = [
      () => tenancy.query('acme', TAKES_ITS_NAME),
      () => tenancy.withTenant('acme', (db) => db.query(TAKES_ITS_NAME)),
      () =>
        tenancy.withTenant('acme', async (db) => {
          await db.query(TAKES_ITS_NAME)
          throw new RangeError('rolled back')
        }),
    ]
    for (const attack of hostile) {
      await codeOf(attack()).catch(() => undefined)
      expect((await pool.query('select name from pg_cursors')).rows).toEqual([])
      await codeOf(attack()).catch(() => undefined)
      expect(await mine('globex')).toEqual([{ body: 'of globex' }])
      expect(await mine('acme')).toEqual([{ body: 'of acme' }])
    }
  },
)

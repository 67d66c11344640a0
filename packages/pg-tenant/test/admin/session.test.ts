import { expect, it } from 'vitest'
import { withAdminSession } from '../../src/admin/session.ts'
import { useWorld } from '../support/world.ts'

const world = useWorld([])

it('an administrator’s session asks the catalogue, whatever its role or the database begins with', async () => {
  await world.root.query(`create schema lair; grant usage on schema lair to public;
    create view lair.pg_database as select 'theirs'::name as datname; grant select on lair.pg_database to public;
    alter role ${world.adminRole} set search_path to lair, pg_catalog`)
  const names = await withAdminSession(world.admin, undefined, (session) =>
    session.run('select datname from pg_database'),
  )
  expect(names.map(({ datname }) => datname)).not.toContain('theirs')
})

import { randomBytes } from 'node:crypto'
import { beforeAll, expect, it } from 'vitest'
import { auditLog, installAudit } from '../../src/audit/index.ts'
import { installRetention, retention } from '../../src/retention/index.ts'
import { installUsage, usage } from '../../src/usage/index.ts'
import { acme, codeOf, useLevel } from '../support/levels.ts'

const audit = auditLog({ keys: { k1: randomBytes(32) } })
const used = usage({ key: randomBytes(32) })
const keeping = retention({ audit, profile: 'mvp' })
const world = useLevel('role', async (admin, options) => {
  await installAudit(admin, options)
  await installUsage(admin, options)
  await installRetention(admin)
})

/** Somebody may create in a schema that stands in the administrator's path, in front: all that is needed. */
beforeAll(async () => {
  const { root, adminRole } = world.setting.world
  await root.query(`create function public.caught(text, text) returns boolean language plpgsql as
      $$ begin raise exception 'run as %', current_user using errcode = 'P0666'; end $$;
    create function public.caught(xid8, xid8) returns boolean language plpgsql as
      $$ begin raise exception 'run as %', current_user using errcode = 'P0666'; end $$;
    create function public.caught(timestamptz, timestamptz) returns boolean language plpgsql as
      $$ begin raise exception 'run as %', current_user using errcode = 'P0666'; end $$;
    create operator public.= (leftarg = text, rightarg = text, function = public.caught);
    create operator public.= (leftarg = xid8, rightarg = xid8, function = public.caught);
    create operator public.< (leftarg = xid8, rightarg = xid8, function = public.caught);
    create operator public.< (leftarg = timestamptz, rightarg = timestamptz, function = public.caught);
    alter role ${adminRole} set search_path = public, pg_catalog;`)
})

it('what a tenant’s operators would catch, they do not: seal, roll-up and retention name their path', async () => {
  const admin = world.setting.world.pool({ connectionString: world.setting.world.adminUrl, max: 2 })
  await world.tenancy.withTenant(acme, async (db) => {
    await audit.record(db, { actor: { type: 'user', id: 'u1' }, action: 'a.b.c' })
    await used.meter(db, { requestId: 'r', action: 'a.b' })
    await db.query('select 1')
  })
  // The control: without a path of its own the same administrator runs somebody else's code.
  expect(await codeOf(admin.query(`select 'a'::text = 'a'::text`))).toBe('P0666')

  expect(await audit.seal(admin)).toMatchObject({})
  expect(await used.rollUp(admin)).toMatchObject({})
  expect(await keeping.runShared(admin)).toHaveLength(3)
  expect(await keeping.runTenants(admin, world.tenancy)).toMatchObject({ failed: [] })
  expect(await keeping.check(admin)).toEqual([])
  // And a client, which gets its own path back.
  const client = await admin.connect()
  try {
    await audit.seal(client)
    const { rows } = await client.query('show search_path')
    expect(rows).toEqual([{ search_path: 'public, pg_catalog' }])
  } finally {
    client.release()
  }
})

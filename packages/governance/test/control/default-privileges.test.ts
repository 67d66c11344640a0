import { afterAll, expect, it } from 'vitest'
import { installAudit } from '../../src/audit/index.ts'
import { installJobs } from '../../src/jobs/index.ts'
import { installOutbox } from '../../src/outbox/index.ts'
import { installUsage } from '../../src/usage/index.ts'
import { useLevel } from '../support/levels.ts'

// Teams let the application use what their migrations make: ALTER DEFAULT PRIVILEGES FOR the administrator, who makes these tables, too.

const GRANTED = `select c.relname as name from pg_class c cross join lateral aclexplode(c.relacl) a
  where c.relnamespace = 'governance'::regnamespace and c.relkind in ('r', 'p') and a.grantee = $1::regrole and a.privilege_type = 'SELECT'`
const world = useLevel('role', async (admin, options) => {
  await admin.query(`alter default privileges grant all on tables to ${world.setting.world.appRole}`)
  await installAudit(admin, options)
  await installUsage(admin, options)
  const { readers: _, ...named } = options
  await installOutbox(admin, named)
  await installJobs(admin)
})
afterAll(() =>
  world.setting.world.root.query(
    `alter default privileges for role ${world.setting.world.adminRole} revoke all on tables from ${world.setting.world.appRole}`,
  ),
)

it('default privileges of the administrator let nobody read what all tenants wrote, nor its partitions', async () => {
  const { appRole, root } = world.setting.world
  expect((await root.query(GRANTED, [appRole])).rows).toEqual([])
})

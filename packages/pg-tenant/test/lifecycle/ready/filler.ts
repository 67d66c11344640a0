import pg from 'pg'
import { createTenancy } from '../../../src/index.ts'

// Fills, or claims one tenant, in a process of its own, to be killed.
const [appUrl = '', adminUrl = '', rolePrefix = '', migrations = '[]', count = '0', claim = ''] =
  process.argv.slice(2)
const tenancy = createTenancy({
  pool: new pg.Pool({ connectionString: appUrl }),
  adminPool: new pg.Pool({ connectionString: adminUrl }),
  rolePrefix,
  migrations: JSON.parse(migrations),
})
if (claim) await tenancy.provision(claim, { fromReady: true })
else await tenancy.ready.fill(Number(count))

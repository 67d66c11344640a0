import { parseTenantKey } from '@org/core'
import { readConfig } from '../src/config.ts'
import { openHub } from '../src/hub/open-hub.ts'
import { createLog } from '../src/log.ts'
import type { Prepared } from './job.ts'

/** Users of each tenant: what a list answers with. */
const USERS = 20
const ADD_USERS = `insert into "user" (email, name) select 'user' || n || '@example.com', 'User ' || n
  from generate_series(2, $1) n`

/**
 * Makes tenants with the library, one after the other: first the schemas and roles, which is what is timed, then groups,
 * administrator and users.
 */
export async function prepare(environment: NodeJS.ProcessEnv, tenants: number): Promise<Prepared> {
  const hub = await openHub(readConfig(environment), createLog('silent'))
  const { store } = await hub.governance.current()
  const keys = Array.from({ length: tenants }, (_, n) => parseTenantKey(`t${n + 1}`))
  const took: number[] = []
  for (const key of keys) {
    const began = performance.now()
    await hub.tenancy.provision(key)
    took.push(performance.now() - began)
  }
  const tokens: string[] = []
  for (const key of keys) {
    await store.setTenant(key, { plan: 'unlimited' })
    const admin = { email: 'admin@example.com', name: 'Admin' }
    const { adminId } = await hub.inTenant(key, async (db) => {
      const seeded = await store.seed(db, { admin, package: 'essentials' })
      await db.query(ADD_USERS, [USERS])
      return seeded
    })
    const { token } = await hub.tokens.issuer.issue({ sub: String(adminId), tenantId: key, type: 'user' })
    tokens.push(token)
  }
  await hub.close()
  return { tokens, took }
}

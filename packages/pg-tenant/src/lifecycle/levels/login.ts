import type { CredentialKeeper } from '../../credentials/credentials.ts'
import { roleOf } from '../../isolation/names.ts'
import { ensureLoginRole, fixSearchPath, grantConnect, removeLoginRole, setLogin } from '../login-role.ts'
import { furnishSchema, schemaSteps } from './in-schema.ts'
import type { LevelLifecycle, TenantWork } from './level.ts'

const ownRole = ({ lifecycle, tenant }: Pick<TenantWork, 'lifecycle' | 'tenant'>) =>
  roleOf(lifecycle.naming, tenant)

/** Level `login`: a login role for each tenant. The application's own role is no member of it. */
export function loginLevel(keeper: CredentialKeeper): LevelLifecycle {
  const steps = schemaSteps(ownRole)
  return {
    ...steps,
    level: 'login',
    ensureRoles: async (work) => {
      const connection = await ensureLoginRole(work, keeper)
      await grantConnect(work.admin, ownRole(work))
      await fixSearchPath(work.admin, work)
      return connection
    },
    ownerOf: (lifecycle, tenant) => ownRole({ lifecycle, tenant }),
    furnish: (work) => furnishSchema(work, work.admin, ownRole(work), ownRole(work)),
    takeOutOfService: async (work) => {
      await steps.takeOutOfService(work)
      await setLogin(work.admin, ownRole(work), false)
    },
    putBackIntoService: async (work) => {
      await setLogin(work.admin, ownRole(work), true)
      await steps.putBackIntoService(work)
    },
    takeDown: async (work) => {
      await steps.takeDown(work)
      await removeLoginRole(work)
    },
  }
}

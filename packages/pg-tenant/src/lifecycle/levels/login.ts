import type { CredentialKeeper } from '../../credentials/keeper.ts'
import { forgetCredential, keepCredential } from '../../credentials/table.ts'
import { roleOf } from '../../isolation/names.ts'
import { quoteIdentifier } from '../../sql/identifier.ts'
import {
  ensureLoginRole,
  fixSearchPath,
  grantConnect,
  removeLoginRole,
  setLogin,
  setPassword,
} from '../login-role.ts'
import { ensureRole } from '../tenant-role.ts'
import { allowUsage, furnishSchema, renameRole, renameSchema, schemaSteps } from './in-schema.ts'
import type { LevelLifecycle, TenantWork } from './level.ts'

const ownRole = ({ lifecycle, tenant }: Pick<TenantWork, 'lifecycle' | 'tenant'>) =>
  roleOf(lifecycle.naming, tenant)

/** Level `login`: a login role for each tenant. The application's own role is no member of it. */
export function loginLevel(keeper: CredentialKeeper): LevelLifecycle {
  const steps = schemaSteps((work) => [ownRole(work)])
  return {
    ...steps,
    level: 'login',
    keeper,
    ensureRoles: async (work) => {
      const connection = await ensureLoginRole(work, keeper)
      await grantConnect(work.admin, work.lifecycle.registry, ownRole(work))
      await fixSearchPath(work.admin, work)
      return connection
    },
    ownerOf: ({ distributedSchemas, naming }, tenant) =>
      distributedSchemas ? undefined : roleOf(naming, tenant),
    furnish: (work) => furnishSchema(work, work.admin, ownRole(work), ownRole(work)),
    takeOutOfService: async (work) => {
      await steps.takeOutOfService(work)
      await setLogin(work.admin, ownRole(work), false)
    },
    putBackIntoService: async (work) => {
      await setLogin(work.admin, ownRole(work), true)
      await steps.putBackIntoService(work)
    },
    ready: {
      ensureRoles: async (work) => {
        await ensureRole(work.admin, ownRole(work), { login: false, application: undefined })
        await grantConnect(work.admin, work.lifecycle.registry, ownRole(work))
        // Whose role this is, so that it may be dropped. It has no password: that is made for its owner.
        await keepCredential(work.admin, work.lifecycle.registry, work.tenant, ownRole(work), null)
      },
      adopt: async (work, from) => {
        const usage = allowUsage(work, ownRole(work))
        const login = `alter role ${quoteIdentifier(ownRole(work))} login`
        await work.admin.run(`${renameSchema(work, from)}; ${renameRole(work, from)}; ${usage}; ${login}`)
        await fixSearchPath(work.admin, work)
        await forgetCredential(work.admin, work.lifecycle.registry, from)
        return await setPassword(work, keeper, false)
      },
    },
    takeDown: async (work) => {
      await steps.takeDown(work)
      await removeLoginRole(work)
    },
  }
}

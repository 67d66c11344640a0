import { TenancyError } from '@org/core'
import { roleOf } from '../../isolation/names.ts'
import { standingOf } from '../lifecycle.ts'
import { dropRole, ensureRole, roleExists } from '../tenant-role.ts'
import { allowUsage, furnishSchema, renameRole, renameSchema, schemaSteps } from './in-schema.ts'
import type { LevelLifecycle, TenantWork } from './level.ts'

const ownRole = ({ lifecycle, tenant }: Pick<TenantWork, 'lifecycle' | 'tenant'>) =>
  roleOf(lifecycle.naming, tenant)
const steps = schemaSteps((work) => [ownRole(work)])

/** Level `role`: a NOLOGIN role for each tenant, which the application may take. */
export const roleLevel: LevelLifecycle = {
  ...steps,
  level: 'role',
  ensureRoles: async (work) => {
    await refuseForeign(work)
    await ensureRole(work.admin, ownRole(work), { login: false, application: work.application })
    return undefined
  },
  ready: {
    ensureRoles: (work) =>
      ensureRole(work.admin, ownRole(work), { login: false, application: work.application }),
    adopt: async (work, from) => {
      const usage = allowUsage(work, ownRole(work))
      await work.admin.run(`${renameSchema(work, from)}; ${renameRole(work, from)}; ${usage}`)
      return undefined
    },
  },
  ownerOf: ({ distributedSchemas, naming }, tenant) =>
    distributedSchemas ? undefined : roleOf(naming, tenant),
  furnish: (work) => furnishSchema(work, work.admin, ownRole(work), ownRole(work)),
  takeDown: async (work) => {
    await steps.takeDown(work)
    await dropRole(work.admin, ownRole(work))
  },
}

/**
 * A name that prefix and key do not make may be anybody's role, and a tenant runs as it, with all that it may do: it is made for the
 * tenant, or it is not taken.
 */
async function refuseForeign(work: TenantWork): Promise<void> {
  const { admin, lifecycle, tenant } = work
  const role = ownRole(work)
  if (role === lifecycle.naming.rolePrefix + tenant || !(await roleExists(admin, role))) return
  if ((await standingOf(admin, lifecycle.naming, tenant)) === 'provisioned') return
  throw new TenancyError(
    'CONFLICT',
    'A role of that name is there already and was not made for this tenant. Nothing was changed; roleOf must give another name.',
    { details: { role } },
  )
}

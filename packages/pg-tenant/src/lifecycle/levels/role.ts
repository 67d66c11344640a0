import { roleOf } from '../../isolation/names.ts'
import { dropRole, ensureRole } from '../tenant-role.ts'
import { allowUsage, furnishSchema, renameRole, renameSchema, schemaSteps } from './in-schema.ts'
import type { LevelLifecycle, TenantWork } from './level.ts'

const ownRole = ({ lifecycle, tenant }: Pick<TenantWork, 'lifecycle' | 'tenant'>) =>
  roleOf(lifecycle.naming, tenant)
const steps = schemaSteps(ownRole)

/** Level `role`: a NOLOGIN role for each tenant, which the application may take. */
export const roleLevel: LevelLifecycle = {
  ...steps,
  level: 'role',
  ensureRoles: async (work) => {
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
  ownerOf: ({ naming }, tenant) => roleOf(naming, tenant),
  furnish: (work) => furnishSchema(work, work.admin, ownRole(work), ownRole(work)),
  takeDown: async (work) => {
    await steps.takeDown(work)
    await dropRole(work.admin, ownRole(work))
  },
}

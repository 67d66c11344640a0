import { allowUsage, furnishSchema, renameSchema, schemaSteps } from './in-schema.ts'
import type { LevelLifecycle } from './level.ts'

/** Level `schema`: no roles at all; the application itself may use every tenant's schema. */
export const schemaLevel: LevelLifecycle = {
  ...schemaSteps(({ application }) => application),
  level: 'schema',
  ensureRoles: async () => undefined,
  ownerOf: () => undefined,
  ready: {
    ensureRoles: async () => {},
    adopt: async (work, from) => {
      await work.admin.run(`${renameSchema(work, from)}; ${allowUsage(work, work.application)}`)
      return undefined
    },
  },
  furnish: (work) => furnishSchema(work, work.admin, work.application, undefined),
}

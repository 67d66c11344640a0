import { furnishSchema, schemaSteps } from './in-schema.ts'
import type { LevelLifecycle } from './level.ts'

/** Level `schema`: no roles at all; the application itself may use every tenant's schema. */
export const schemaLevel: LevelLifecycle = {
  ...schemaSteps(({ application }) => application),
  level: 'schema',
  ensureRoles: async () => undefined,
  ownerOf: () => undefined,
  furnish: (work) => furnishSchema(work, work.admin, work.application, undefined),
}

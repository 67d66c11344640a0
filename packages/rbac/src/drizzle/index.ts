export { conditionToDrizzle, type DrizzleColumns } from './condition.ts'
export { controlTables } from './control-tables.ts'
export { group, groupPermission, rbacEpoch, user, userGroup } from './tenant-tables.ts'

export { defineCatalog } from './catalog/define.ts'
export {
  type CatalogChange,
  type CatalogDiff,
  type CatalogEntity,
  type CatalogEntryRef,
  diffCatalog,
} from './catalog/diff.ts'
export type {
  ActionDefinition,
  ActionKind,
  ActionOf,
  Catalog,
  CatalogIndex,
  EntryStatus,
  LimitDefinition,
  PackageDefinition,
  StandardLimit,
  ToolDefinition,
} from './catalog/model.ts'
export {
  type ActionRow,
  type CatalogEntryRow,
  type CatalogRows,
  catalogFromRows,
  catalogRows,
  type PackageActionRow,
} from './catalog/rows.ts'
export {
  type Condition,
  type ConditionVisitor,
  type NumberTest,
  type Scalar,
  visitCondition,
} from './constraints/condition.ts'
export { type Numeric, numeric } from './constraints/numeric.ts'
export {
  type ConstraintProblem,
  type Constraints,
  type FieldConstraint,
  parseConstraints,
} from './constraints/parse.ts'
export type { Changes } from './evaluate/changes.ts'
export {
  type At,
  createEvaluator,
  type Evaluator,
  type EvaluatorOptions,
  type Permitted,
} from './evaluate/evaluator.ts'
export type { EffectiveLimit } from './evaluate/limits.ts'
export type { Explanation } from './explain/explain.ts'
export type { Reason, Sentence } from './explain/sentences.ts'
export type { Link, Step } from './explain/step.ts'
export type {
  AssignedPackage,
  Flags,
  Group,
  KeyGrant,
  Limits,
  Moment,
  Override,
  Permission,
  Plan,
  Profile,
  Snapshot,
  Status,
} from './snapshot/model.ts'
export { parseSnapshot } from './snapshot/parse.ts'
export {
  type Column,
  type Columns,
  type ColumnType,
  conditionToSql,
  type SqlCondition,
  type SqlOptions,
} from './sql/condition-to-sql.ts'

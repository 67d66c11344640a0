export { checkDecisions, type DecisionCase, type DecisionReport, decisionCases } from './cases.ts'
export type { DecisionTable, Effect, TablePrincipal, TableTenant, TableTest } from './table.ts'

export { type GovernanceCheckOptions, governanceChecks } from './checks.ts'

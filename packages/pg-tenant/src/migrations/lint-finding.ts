/** Something about a migration that is refused, or that somebody should look at. */
export interface LintFinding {
  readonly severity: 'error' | 'warning'
  /** A word for the rule, e.g. `qualified-name`. */
  readonly rule: string
  /** Id of the migration. */
  readonly migration: string
  /** From 1. */
  readonly line: number
  /** What to do. */
  readonly message: string
}

import { TenancyError, type TenantKey } from '@org/core'
import type { TenantConnection } from '../credentials/connection.ts'
import type { Severity } from '../doctor/finding.ts'

/** What adopting a tenant looks for. */
export type AdoptionFindingCode =
  | 'SCHEMA_NOT_FOUND'
  | 'SCHEMA_TAKEN'
  | 'SCHEMA_SHARED'
  | 'TENANT_EXISTS'
  | 'ROLE_EXISTS'
  | 'ROLE_MADE'
  | 'ROLE_UNFIT'
  | 'ROLE_REACHES_OUT'
  | 'PASSWORD_MISSING'
  | 'PASSWORD_NEW'
  | 'LOGIN_REFUSED'
  | 'DATABASE_NOT_FOUND'
  | 'DATABASE_TAKEN'
  | 'OTHER_SCHEMAS'
  | 'OWNER_OUT_OF_REACH'
  | 'OWNER_IS_TENANT'
  | 'ADMINISTRATOR_LACKS'
  | 'APPLICATION_INHERITS'
  | 'SHARED_RIGHTS'
  | 'EXTENSION'
  | 'REACHES_OUT'
  | 'EVENT_TRIGGER'
  | 'REACHED_FROM'
  | 'FOREIGN_TRIGGER'
  | 'PUBLIC_PRIVILEGE'
  | 'OTHER_PRIVILEGE'
  | 'ROW_SECURITY'
  | 'SECURITY_DEFINER'
  | 'TOO_MANY_OBJECTS'
  | 'BASELINE_MISSING'
  | 'BASELINE_UNKNOWN'
  | 'LEDGER_DIFFERS'
  | 'LEDGER_FAILED'
  | 'LEDGER_UNREADABLE'
  | 'MIGRATIONS'
  | 'DRIFT'

/** One thing that was found where a tenant is to be adopted. */
export interface AdoptionFinding {
  readonly code: AdoptionFindingCode
  /** `error`: in the way. `warning`: something may not work as before. `notice`: to know. */
  readonly severity: Severity
  /** What it is about: a schema, table, role … */
  readonly subject: string
  /** What was found. Names only, never data. */
  readonly message: string
  /** SQL that mends it, or what to do. */
  readonly fix?: string
}

/** What {@link Tenancy.adopt} resolves with. */
export interface Adoption {
  readonly tenant: string
  readonly schema: string
  /** The role that owns what is in it now. */
  readonly role: string
  /** Whether it is adopted now: false after a dry run. */
  readonly adopted: boolean
  /** Id of the newest migration that it is taken to have; `null`: none. */
  readonly baseline: string | null
  /** Where that is from: `option`, or the table of another tool that says so. */
  readonly baselineFrom: string
  /** Tables, views, functions, types … that are the tenant's now. */
  readonly objects: number
  /** Whose they were; these roles keep what they may until {@link Tenancy.confirmAdoption}. */
  readonly earlierOwners: readonly string[]
  /** What is or was in the way, errors first. */
  readonly findings: readonly AdoptionFinding[]
  /**
   * The tenant's own connection, at levels `login` and `database`, where a password was set now. It is not shown again, and no part of
   * what `console.log` and `JSON.stringify` show; `rotateCredentials` gives a new one.
   */
  readonly connection?: TenantConnection
}

/** What `tenancy.adopt()` rejects with when something is in the way: code `CONFLICT`, and all of it in `adoption`. */
export class AdoptionRefused extends TenancyError {
  readonly adoption: Adoption

  constructor(tenant: TenantKey, adoption: Adoption) {
    const errors = adoption.findings.filter(({ severity }) => severity === 'error')
    const [first] = errors
    const more =
      errors.length > 1 ? ` (and ${errors.length - 1} more: error.adoption.findings has all of them)` : ''
    super(
      'CONFLICT',
      `The schema cannot be adopted as it is. Nothing was changed. ${first?.message}${first?.fix ? ` ${first.fix}` : ''}${more}`,
      {
        details: {
          tenant,
          schema: adoption.schema,
          reason: 'adoption',
          findings: [...new Set(errors.map(({ code }) => code))].join(', '),
          count: errors.length,
        },
      },
    )
    this.adoption = adoption
  }
}

const WORST = { error: 0, warning: 1, notice: 2 } as const

export const worstFirst = (findings: readonly AdoptionFinding[]): readonly AdoptionFinding[] =>
  [...findings].sort((a, b) => WORST[a.severity] - WORST[b.severity])

export const isInTheWay = (findings: readonly AdoptionFinding[]): boolean =>
  findings.some(({ severity }) => severity === 'error')

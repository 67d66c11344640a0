import type { MigrateOptions, MigrateReport, TenantMigration } from '@org/pg-tenant'
import { argumentsFrom, type CommandModule, DRY_RUN } from '../command.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { commandsForCalls } from '../output/commands-for-calls.ts'
import { count, duration, plural } from '../output/format.ts'
import type { Output } from '../output/output.ts'
import { safeText } from '../output/safe-text.ts'
import { names, whole } from './values.ts'

type Options = Omit<MigrateOptions, 'only' | 'signal' | 'onTenant' | 'allowSchemas'> & {
  readonly allowSchema?: readonly string[]
}

const number = (name: string, text: string, least = 1) => ({
  flags: `--${name} <number>`,
  text,
  parse: whole(`--${name}`, least),
})

export const migrate: CommandModule<Options> = {
  arguments: [['[keys...]', 'only these tenants']],
  options: [
    {
      flags: '--canary <first>',
      text: 'so many, or these keys (a,b,c), go first; when one fails, no other is touched',
      parse: (text: string) => (/^\d+$/.test(text) ? whole('--canary', 1)(text) : names(text)),
    },
    number('connections', 'tenants at once (default 4)'),
    number('max-failures', 'no further tenant after so many failures (default 1)'),
    number('limit', 'at most so many tenants'),
    { flags: '--except <keys>', text: 'all but these: a,b,c', parse: names },
    { flags: '--phase <phase>', text: 'only migrations of this phase', choices: ['expand', 'contract'] },
    number('lock-timeout', 'ms to wait for a lock before trying later (default 1000)'),
    number('statement-timeout', 'ms one statement may run (default: no limit)', 0),
    number('attempts', 'how often one tenant is tried (default 6)'),
    { flags: '--recheck', text: 'believe the ledgers in the schemas, after a restore by hand' },
    { flags: '--allow-schema <names>', text: 'schemas migrations may name: a,b', parse: names },
    DRY_RUN,
  ],
  examples: [
    ['pg-tenant migrate --dry-run', 'the SQL that would run'],
    ['pg-tenant migrate --canary 5 --connections 8', 'five first, then eight at a time'],
    ['pg-tenant migrate acme --phase expand', 'one tenant, before the new release'],
  ],
  exits:
    'Exits with 1 when a tenant failed or was left. With --json: a line for each tenant, the report last.',
  afterStop: 'Run pg-tenant migrate again to go on: tenants that are done are not touched again.',
  async run({ connect, output, signal }, args, { allowSchema, ...options }) {
    const only = argumentsFrom(args, 0)
    const { tenancy } = await connect({ adminConnections: (options.connections ?? 4) + 1 })
    const progress = output.progress('tenants')
    const report = await tenancy.migrate({
      ...options,
      ...(only && { only }),
      ...(allowSchema && { allowSchemas: allowSchema }),
      signal,
      throwOnFailure: false,
      onTenant: (tenant, now) => {
        output.event(eventOf(tenant))
        if (tenant.error) progress.line(failure(tenant))
        progress.update(now)
      },
    })
    progress.end()
    const { tenants, ...totals } = report
    if (options.dryRun) for (const tenant of tenants) output.event(eventOf(tenant))
    output.event({ type: 'report', ...totals })
    if (options.dryRun) showPlan(report, output)
    else output.say(summary(report))
    return options.dryRun ? EXIT.ok : exitOf(report)
  },
}

function eventOf({ error, ...tenant }: TenantMigration): object {
  const why = error && { error: { code: error.code, message: error.message, details: error.details } }
  return { type: 'tenant', ...tenant, ...why }
}

function failure({ tenant, error, attempts }: TenantMigration): string {
  const details = Object.entries(error?.details ?? {}).map(([name, value]) => `${name} ${value}`)
  const tries = attempts > 1 ? ` after ${attempts} tries` : ''
  return safeText(
    `${tenant}${tries}: ${error?.code}: ${commandsForCalls(error?.message ?? '')} (${details.join(', ')})`,
  )
}

/** The SQL once for all tenants that lack the same migrations. */
function showPlan({ tenants }: MigrateReport, output: Output): void {
  const groups = new Map<string, TenantMigration[]>()
  for (const tenant of tenants) {
    const lacking = tenant.applied.join(', ')
    groups.set(lacking, [...(groups.get(lacking) ?? []), tenant])
  }
  for (const [lacking, [first, ...others]] of groups) {
    if (!first) continue
    output.data(`-- ${lacking}`)
    output.data(
      `-- ${first.tenant}${others.length > 0 ? `, and so for ${plural(others.length, 'other tenant')}` : ''}:`,
    )
    output.data(`${first.sql ?? ''}\n`)
  }
  output.note(
    tenants.length === 0
      ? 'Nobody is behind.'
      : `${plural(tenants.length, 'tenant')} behind; nothing was run.`,
  )
}

function summary({ behind, migrated, failed, untouched, stopped, ms }: MigrateReport): string {
  if (behind === 0) return 'Nobody is behind.'
  const parts = [`${plural(migrated, 'tenant')} up to date in ${duration(ms)}`]
  if (failed > 0) parts.push(`${count(failed)} failed`)
  if (untouched > 0) parts.push(`${count(untouched)} not touched`)
  return `${parts.join(', ')}${stopped === null ? '' : ` (${REASONS[stopped]})`}.`
}

const REASONS = {
  canary: 'a canary failed',
  failures: 'too many failures: see --max-failures',
  aborted: 'stopped',
} as const

function exitOf({ ok, stopped }: MigrateReport): ExitCode {
  if (stopped === 'aborted') return EXIT.interrupted
  return ok ? EXIT.ok : EXIT.failed
}

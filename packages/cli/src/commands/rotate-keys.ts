import type { RotationOptions, RotationReport } from '@org/crypto'
import type { Tenancy } from '@org/pg-tenant'
import { type CommandModule, DRY_RUN, type Invocation } from '../command.ts'
import type { Config } from '../config/config.ts'
import type { Environment } from '../config/settings.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { count, plural } from '../output/format.ts'
import type { Output } from '../output/output.ts'
import { pace } from '../output/progress.ts'
import { safeText } from '../output/safe-text.ts'
import { allTenants } from './require-tenant.ts'
import { whole } from './values.ts'

interface Options {
  readonly dryRun?: boolean
  readonly sealPlaintext?: boolean
  readonly concurrency?: number
  readonly startAfter?: string
}

export const rotateKeys: CommandModule<Options> = {
  options: [
    { ...DRY_RUN, text: 'only count which keys are in use' },
    { flags: '--seal-plaintext', text: 'also seal secrets that were found in clear' },
    {
      flags: '--concurrency <number>',
      text: 'tenants at once (default 4)',
      parse: whole('--concurrency', 1, 64),
    },
    { flags: '--start-after <key>', text: 'go on behind this tenant, as a stopped run says' },
  ],
  examples: [
    ['pg-tenant rotate-keys --dry-run', 'which keys still seal how many values'],
    ['pg-tenant rotate-keys', 'everything under SETTINGS_ENCRYPTION_KEY'],
  ],
  exits:
    'Exits with 1 unless every secret of every tenant is under the current key. Take an old key out of\n' +
    'SETTINGS_ENCRYPTION_KEYS_RETIRED only after --dry-run shows no value under it.',
  async run(invocation, _args, { dryRun = false, sealPlaintext = false, concurrency = 4, startAfter }) {
    const { config } = await invocation.settings()
    const secrets = await secretsOf(config, invocation.env)
    const { tenancy } = await invocation.connect({ connections: concurrency + 1 })
    const report = await rotateAll(invocation, tenancy, {
      secrets,
      ...(config.sealedTables && { tables: config.sealedTables }),
      plaintext: sealPlaintext ? 'seal' : 'report',
      dryRun,
      concurrency,
      ...(startAfter !== undefined && { startAfter }),
    })
    const passwords = dryRun || report.aborted ? 0 : await tenancy.resealCredentials()
    invocation.output.document({ dryRun, ...report, passwords })
    show(report, dryRun, invocation.output)
    if (passwords > 0) invocation.output.say(`${plural(passwords, 'login password')} sealed anew`)
    return exitOf(report)
  },
}

async function secretsOf(config: Config, env: Environment): Promise<RotationOptions['secrets']> {
  if (config.secrets) return config.secrets
  const { keyRingFromEnv } = await import('@org/crypto')
  const ring = keyRingFromEnv(env)
  if (ring.keyId !== null) return ring
  const { TenancyError } = await import('@org/core')
  throw new TenancyError(
    'KEY_MISSING',
    'There is no key to seal with. Set SETTINGS_ENCRYPTION_KEY, and older keys in SETTINGS_ENCRYPTION_KEYS_RETIRED.',
  )
}

async function rotateAll(
  { output, signal }: Invocation,
  tenancy: Tenancy,
  options: RotationOptions & { readonly concurrency: number; readonly startAfter?: string },
): Promise<RotationReport> {
  const { rotate } = await import('@org/crypto')
  const tenants: string[] = []
  for await (const { key } of allTenants(tenancy)) tenants.push(key)
  const progress = output.progress('tenants')
  const at = pace(tenants.length)
  const report = await rotate({
    ...options,
    tenants,
    withTenant: (tenant, fn) => tenancy.withTenant(tenant, fn),
    signal,
    onProgress: ({ tenants: done, failed }) => progress.update(at(done + failed, failed)),
  })
  progress.end()
  return report
}

function show(report: RotationReport, dryRun: boolean, output: Output): void {
  const { tenants, examined, resealed, current, plaintext, unreadable, busy, foundUnder } = report
  const did = dryRun ? 'would be sealed anew' : 'sealed anew'
  output.say(
    `${plural(tenants, 'tenant')}, ${plural(examined, 'secret')}: ${count(resealed)} ${did}, ${count(current)} current`,
  )
  const open = {
    'in clear (see --seal-plaintext)': plaintext,
    unreadable,
    'being changed: run it again': busy,
  }
  for (const [what, values] of Object.entries(open)) if (values > 0) output.say(`${count(values)} ${what}`)
  for (const [keyId, values] of Object.entries(foundUnder)) {
    output.say(`key ${keyId}: ${plural(values, 'value')}${dryRun ? '' : ' before'}`)
  }
  for (const { tenant, code } of report.failures) output.complain(`${tenant}: ${code}`)
  for (const { tenant, table, name, code } of report.unreadableValues) {
    output.complain(safeText(`${tenant}: ${table}.${name}: ${code}`))
  }
  if (report.aborted) {
    const from = report.resumeAfter === undefined ? '' : ` --start-after ${report.resumeAfter}`
    output.note(`Stopped. To go on: pg-tenant rotate-keys${from}`)
  }
}

function exitOf({ aborted, complete }: RotationReport): ExitCode {
  if (aborted) return EXIT.interrupted
  return complete ? EXIT.ok : EXIT.failed
}

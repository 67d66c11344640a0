import { resolve } from 'node:path'
import type { OffboardOptions, Receipt, Tenancy } from '@org/pg-tenant'
import { argument, type CommandModule, DRY_RUN, type Invocation } from '../command.ts'
import { confirmKey } from '../confirm.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { bytes, plural } from '../output/format.ts'
import { defaultFile } from './backup.ts'
import { requireTenant } from './require-tenant.ts'
import { whole } from './values.ts'

interface Options {
  readonly confirm?: string
  /** A file; `false` for `--no-backup`; `true` when neither was given. */
  readonly backup?: string | boolean
  readonly drain?: number
  readonly terminate?: boolean
  readonly requestedBy?: string
  readonly dryRun?: boolean
}

export const drop: CommandModule<Options> = {
  arguments: [['<key>', 'the tenant']],
  options: [
    { flags: '--confirm <key>', text: 'repeats the key where nobody can type it' },
    { flags: '--backup <file>', text: 'where the last backup goes (default: a file in ./backups)' },
    { flags: '--no-backup', text: 'the data is gone for good' },
    {
      flags: '--drain <ms>',
      text: 'how long running scopes get to end (default 10000)',
      parse: whole('--drain', 1, 3_600_000),
    },
    { flags: '--terminate', text: 'end the connections of scopes that do not' },
    { flags: '--requested-by <text>', text: 'who asked for it, for the receipt' },
    DRY_RUN,
  ],
  examples: [
    ['pg-tenant drop acme', 'asks for the key, backs up, drops, writes a receipt'],
    ['pg-tenant drop acme --confirm acme --requested-by T-42', 'in a script'],
    ['pg-tenant drop acme --dry-run', 'what would go'],
  ],
  exits: 'When the backup fails the tenant goes back into service. The key is not given out again.',
  afterStop: 'Run it again with the same options: it goes on where it was.',
  async run(invocation, args, options) {
    const key = argument(args, 0)
    const { connect, output } = invocation
    // A mistyped confirmation is found before anything is connected.
    if (!options.dryRun && (options.confirm !== undefined || !invocation.io.stdin?.isTTY)) {
      await confirmKey(invocation, key, options.confirm, '')
    }
    const { tenancy, settings } = await connect()
    if (options.dryRun) return await plan(invocation, tenancy, key, options)
    const skip = options.backup === false
    const what = `${key} and all its data are dropped${skip ? ', without a backup' : ' after a backup'}.`
    await confirmKey(invocation, key, options.confirm, what)
    const to = typeof options.backup === 'string' ? resolve(invocation.io.cwd, options.backup) : undefined
    const file = skip ? undefined : (to ?? (await defaultFile(invocation, settings, key)))
    const receipt = await tenancy.offboard(key, offboarding(invocation, key, file, options))
    const { digestOfReceipt } = await import('@org/pg-tenant/admin')
    output.document({ ...receipt, digest: digestOfReceipt(receipt) })
    output.say(told(key, receipt, digestOfReceipt(receipt)))
    return EXIT.ok
  },
}

function offboarding(
  { signal }: Invocation,
  key: string,
  file: string | undefined,
  options: Options,
): OffboardOptions {
  const { drain, terminate, requestedBy } = options
  return {
    confirm: key,
    backup: file === undefined ? 'skip' : { to: file },
    drain,
    onBusy: terminate ? 'terminate' : 'report',
    requestedBy,
    signal,
  }
}

function told(key: string, receipt: Receipt, digest: string): string {
  const { rows, bytes: size, tables, backup, rolesLeft = [] } = receipt
  const kept = backup?.file ? `\n  backup   ${backup.file}, sha256 ${backup.sha256}` : '\n  backup   none'
  return (
    `${key} is gone: ${plural(rows, 'row')}, ${bytes(size)} in ${plural(tables.length, 'table')}.${kept}` +
    `\n  receipt  sha256 ${digest}` +
    (rolesLeft.length > 0 ? `\n  roles    still there: ${rolesLeft.join(', ')}` : '')
  )
}

async function plan(
  { output }: Invocation,
  tenancy: Tenancy,
  key: string,
  options: Options,
): Promise<ExitCode> {
  const { status } = await requireTenant(tenancy, key)
  const [tenant] = (await tenancy.stats({ tenants: [key] })).tenants
  const size = { bytes: tenant?.bytes ?? null, rows: tenant?.rows ?? null, tables: tenant?.tables ?? null }
  output.document({ tenant: key, status, ...size, backup: options.backup !== false, dryRun: true })
  output.say(
    `${key} (${status}) would be dropped: ${bytes(size.bytes)}, ${plural(size.tables ?? 0, 'table')}.`,
  )
  return EXIT.ok
}

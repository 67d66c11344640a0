import { resolve } from 'node:path'
import { isTenancyError } from '@org/core'
import { CliError, usage } from '../cli-error.ts'
import { argument, type CommandModule, DRY_RUN, type Invocation } from '../command.ts'
import { confirmKey } from '../confirm.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { bytes, plural } from '../output/format.ts'

interface Options {
  readonly from?: string
  readonly replace?: boolean
  readonly confirm?: string
  readonly verify?: 'full' | 'archive'
  readonly reuseDeletedKey?: boolean
  readonly skipMigrations?: boolean
  readonly programs?: string
  readonly dryRun?: boolean
}

export const restore: CommandModule<Options> = {
  arguments: [['<key>', 'the tenant it becomes; another key than that of the backup makes a copy']],
  options: [
    { flags: '--from <file>', text: 'the backup, or - for stdin' },
    { flags: '--replace', text: 'drop what the tenant has now, in the same transaction' },
    { flags: '--confirm <key>', text: 'repeats the key where --replace needs it and nobody can type' },
    {
      flags: '--verify <how>',
      text: 'read everything back (full, default), or trust the digests of the archive',
      choices: ['full', 'archive'],
    },
    {
      flags: '--skip-migrations',
      text: 'level row: take an archive older than the shared schema; newer columns get their defaults',
    },
    { flags: '--programs <folder>', text: 'where pg_restore is (default: on the path)' },
    { flags: '--reuse-deleted-key', text: 'the key may be that of another tenant that was dropped' },
    { ...DRY_RUN, text: 'read the backup and check every digest; needs no database' },
  ],
  examples: [
    ['pg-tenant restore acme --from acme.pgtenant', 'a tenant that is gone or empty'],
    ['pg-tenant restore acme-test --from acme.pgtenant', 'a copy under another key'],
    ['pg-tenant restore acme --from acme.dump', 'a file of pg_dump, with its .manifest.json beside it'],
    ['pg-tenant restore acme --from acme.pgtenant --dry-run', 'is the file whole, what is in it'],
  ],
  exits: 'Exits with 1 when the file is damaged, 5 when the tenant has data (see --replace).',
  afterStop: 'Run it again: until it had ended nobody saw anything of it.',
  async run(invocation, args, options) {
    const key = argument(args, 0)
    const { io, connect, output, signal } = invocation
    if (options.from === undefined) throw usage('Which backup? --from <file>, or --from - for stdin.')
    const from = options.from === '-' ? stdinOf(invocation) : resolve(io.cwd, options.from)
    if (options.dryRun) return await inspect(invocation, from)
    if (options.replace)
      await confirmKey(invocation, key, options.confirm, `All that ${key} has now is dropped.`)
    const { tenancy } = await connect()
    const { verify, reuseDeletedKey, replace, skipMigrations, programs } = options
    const restored = await tenancy.restore(key, {
      from,
      verify,
      reuseDeletedKey,
      skipMigrations,
      programs,
      signal,
      ...(replace && { force: 'replace' }),
    })
    output.document(restored)
    const { source, rows, tables, createdAt, migrations } = restored
    output.say(
      `${key} is as ${source} was at ${createdAt}: ${plural(rows, 'row')} in ${plural(tables, 'table')}.`,
    )
    if (migrations.length > 0) output.say(`Applied since: ${migrations.join(', ')}.`)
    return EXIT.ok
  },
}

function stdinOf({ io }: Invocation): AsyncIterable<Uint8Array> {
  if (io.stdin && !io.stdin.isTTY) return io.stdin
  throw new CliError('USAGE', 'There is nothing on stdin: pipe the backup in, or name its file with --from.')
}

async function inspect(invocation: Invocation, from: string | AsyncIterable<Uint8Array>): Promise<ExitCode> {
  const { output } = invocation
  const { inspectArchive } = await import('@org/pg-tenant/admin')
  const found = await inspectArchive(from).catch((error: unknown) => {
    if (typeof from === 'string' && isOther(error)) return undefined
    throw error
  })
  if (!found) return await inspectDumped(invocation, String(from))
  const { manifest, summary, sha256, bytes: size } = found
  const { tenant, createdAt, isolation, migrations } = manifest
  const newest = migrations.at(-1)?.id
  output.document({
    tenant,
    createdAt,
    isolation,
    schemaVersion: newest ?? null,
    rows: summary.rows,
    bytes: size,
    sha256,
    tables: summary.tables,
    dryRun: true,
  })
  output.say(
    `Whole: ${tenant} at ${createdAt}, level ${isolation}, version ${newest ?? '-'}, sha256 ${sha256}`,
  )
  const rows = summary.tables.map((table) => [table.name, String(table.rows), bytes(table.bytes)])
  output.table([{ title: 'table' }, { title: 'rows', right: true }, { title: 'size', right: true }], rows)
  return EXIT.ok
}

/** No archive of ours: it may be a file of pg_dump. */
const isOther = (error: unknown): boolean =>
  isTenancyError(error, 'VALIDATION_ERROR') && error.details.reason === 'not_an_archive'

async function inspectDumped({ output }: Invocation, from: string): Promise<ExitCode> {
  const { inspectDump } = await import('@org/pg-tenant/admin')
  const {
    tenant,
    createdAt,
    isolation,
    migrations,
    rows,
    bytes: size,
    sha256,
    tables,
  } = await inspectDump(from)
  const newest = migrations.at(-1)?.id
  output.document({
    tenant,
    createdAt,
    isolation,
    schemaVersion: newest ?? null,
    rows,
    bytes: size,
    sha256,
    tables,
    dryRun: true,
  })
  output.say(
    `Whole, of pg_dump: ${tenant} at ${createdAt}, level ${isolation}, version ${newest ?? '-'}, sha256 ${sha256}`,
  )
  output.table(
    [{ title: 'table' }, { title: 'rows', right: true }],
    tables.map((table) => [table.name, String(table.rows)]),
  )
  return EXIT.ok
}

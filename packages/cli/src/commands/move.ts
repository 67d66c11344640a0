import type { MoveOptions, MoveResult } from '@org/pg-tenant'
import { usage } from '../cli-error.ts'
import { argument, type CommandModule, DRY_RUN, type Invocation } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { duration, plural } from '../output/format.ts'
import { names, size, whole } from './values.ts'

interface Options {
  readonly from?: string
  readonly drain?: number
  readonly terminate?: boolean
  readonly undo?: boolean
  readonly replication?: boolean
  readonly room?: number
  readonly lose?: readonly string[]
  readonly plan?: boolean
  readonly limit?: number
  readonly storage?: number
  readonly dryRun?: boolean
}

export const move: CommandModule<Options> = {
  arguments: [
    ['[key]', 'the tenant'],
    ['[placement]', 'the cluster it goes to, as the configuration calls it'],
  ],
  options: [
    { flags: '--from <placement>', text: 'refused where it is not there now' },
    {
      flags: '--drain <ms>',
      text: 'how long running scopes get to end (default 10000)',
      parse: whole('--drain', 1, 3_600_000),
    },
    { flags: '--terminate', text: 'end the connections of scopes that do not' },
    {
      flags: '--undo',
      text: 'call off a move that was cut off, as long as the tenant has not changed hands',
    },
    {
      flags: '--replication',
      text: 'send a copy ahead that follows the tenant: a short gap, however large it is',
    },
    {
      flags: '--room <size>',
      text: 'what is free where it goes: a tenant that takes more is refused',
      parse: size('--room'),
    },
    {
      flags: '--lose <names>',
      text: 'what may be lost or stay behind, as the refusal names it, separated by commas',
      parse: names,
    },
    { flags: '--plan', text: 'the moves that advise --fleet proposes, one after the other' },
    {
      flags: '--limit <number>',
      text: 'with --plan: at most so many (default 100)',
      parse: whole('--limit', 1, 10_000),
    },
    {
      flags: '--storage <size>',
      text: 'with --plan: how much storage each cluster has, e.g. 500GB',
      parse: size('--storage'),
    },
    DRY_RUN,
  ],
  examples: [
    ['pg-tenant move acme us --dry-run', 'checks all that can be checked'],
    ['pg-tenant move acme us', 'closes, copies from server to server, changes hands, opens'],
    [
      'pg-tenant move acme us --replication',
      'a tenant of gigabytes (wal_level = logical, and rights that it names)',
    ],
    ['pg-tenant move acme us --undo', 'back into service where it was'],
    ['pg-tenant move --plan --dry-run', 'who would go where, so that no cluster is too full'],
  ],
  exits:
    'What cannot be moved is refused before anything is closed (5: see the reason; 3: the configuration, or a right that is lacking).',
  afterStop:
    'Run it again with the same arguments: it goes on where it was. --undo calls it off until it has changed hands.',
  async run(invocation, args, options) {
    const [key, to] = [argument(args, 0), argument(args, 1)]
    requireFitting(key, to, options)
    const { openFleet } = await import('../config/fleet.ts')
    const connected = await openFleet(invocation.global, invocation.env, invocation.io.cwd)
    const { fleet, close } = connected
    try {
      if (options.plan) {
        const { carryOut } = await import('./move-plan.ts')
        return await carryOut(invocation, connected, options, moving(invocation, options))
      }
      const result = await fleet.move(key, to, moving(invocation, options))
      invocation.output.document({ ...result, dryRun: options.dryRun === true })
      invocation.output.say(told(result, options))
    } finally {
      await close()
    }
    return EXIT.ok
  },
}

/** @throws CliError USAGE */
function requireFitting(key: string, to: string, { plan, limit, storage, from, undo }: Options): void {
  if (!plan && (limit !== undefined || storage !== undefined))
    throw usage('--limit and --storage go with --plan.')
  if (!plan && (key === '' || to === '')) throw usage('Give a key and a placement, or --plan.')
  if (plan && (key !== '' || from !== undefined || undo))
    throw usage('--plan takes no key, --from or --undo.')
}

function moving({ output, signal }: Invocation, options: Options): MoveOptions {
  const { dryRun = false, undo = false, from, drain, terminate, replication, room, lose } = options
  return {
    dryRun,
    undo,
    from,
    drain,
    copy: replication ? 'replication' : 'stream',
    room,
    lose,
    onBusy: terminate ? 'terminate' : 'report',
    onProgress: (step) => output.note(step),
    signal,
  }
}

function told({ tenant, from, to, moved, undone, rows, gapMs, left }: MoveResult, options: Options): string {
  if (options.undo)
    return undone ? `${tenant} is where it was, in ${from}.` : `No move of ${tenant} is under way.`
  if (from === to) return `${tenant} is in ${to} already.`
  if (!moved) return `${tenant} can move from ${from} to ${to}. Nothing was changed.`
  const gap = gapMs > 0 ? `, out of service for ${duration(gapMs)}` : ''
  const kept = left.length > 0 ? ` Changed in ${from} meanwhile, and left there: ${left.join(', ')}.` : ''
  return `${tenant} has moved from ${from} to ${to}: ${plural(rows, 'row')}${gap}.${kept}`
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { ConnectionMemory } from '../../src/driver/memory.ts'

// All that is remembered of a connection or of what was sent on it, and the test in which somebody on the same session lies about it
// and gains nothing. Who remembers more has to say here who lies about that.

type Liar = readonly [file: string, title: string]

const OF_A_CONNECTION: Readonly<Record<keyof ConnectionMemory, Liar>> = {
  acquired: ['session/replaced', 'a listener of the pool that runs something first does no harm'],
  servedAt: ['session/replaced', 'names are not believed when somebody else had the connection'],
  served: ['session/replaced', 'another tenant does not run what is under the names of its callers'],
  direct: ['session/nothing-stays', 'through PgBouncer with one server connection'],
  superuser: ['scope/escape', 'a session that a tenant made somebody else’s is the pool’s again'],
  tenants: ['session/tenants-of-a-connection', 'a connection that has served so many tenants ends'],
  limits: ['session/own-limits', 'limits %s hold whatever a tenant sets'],
  durable: ['session/own-modes', 'a tenant that changes them for the session changes nothing'],
  beginsRight: ['session/own-modes', 'a tenant that changes them for the session changes nothing'],
  othersLimits: ['session/own-limits', 'a scope with limits of its own has them'],
  leave: ['session/leave-function', '%s: nothing is there for whoever comes next'],
  temporary: ['session/own-limits', 'what is temporary goes, the first of a connection and each later one'],
  unnamed: [
    'session/replaced',
    'the gate is sent once for many tenants, and again when others had the session',
  ],
  keepsNames: ['session/keep-statements', 'another tenant runs what it says and finds none of it'],
  prepared: ['session/replaced', 'another tenant, and the same in its next scope, run what they say'],
  types: ['scope/own-types', 'cannot be told otherwise by names that a tenant makes'],
  death: ['hazards/process', 'idle connections are killed'],
  onDeath: ['hazards/process', 'idle connections are killed'],
}

const OTHERS: Readonly<Record<string, Liar>> = {
  'that the portal of the check is ours': ['session/gate-portal', 'who takes the name of the gate’s portal'],
  'that limits of the server’s file may change': [
    'session/own-limits',
    "limits of the server's file are not the connection's own",
  ],
  'what a kept statement says': [
    'session/keep-statements',
    'a statement that was taken away is prepared again',
  ],
  'statements of the administrator’s under names': [
    'fleet/liar',
    'that puts its own statements under our names is found',
  ],
  'what is bound ahead of a room': ['fleet/liar', 'that %s gains nothing'],
  'that nothing is pending behind a room': ['fleet/liar', 'that leaves a trigger for COMMIT is refused'],
  'which migrations a tenant has': ['fleet/faults', 'without telling the registry gets what it lost again'],
  'types of a tenant': ['scope/own-types', 'of a tenant counts for that tenant only'],
}

it.each(Object.entries({ ...OF_A_CONNECTION, ...OTHERS }))(
  '%s: somebody lies about it',
  (_, [file, title]) => {
    expect(readFileSync(join(import.meta.dirname, '..', `${file}.test.ts`), 'utf8')).toContain(title)
  },
)

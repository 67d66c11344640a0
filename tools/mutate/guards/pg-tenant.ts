import { type Guard, SCOPE_TESTS } from '../guard.ts'

const src = (file: string) => `packages/pg-tenant/src/${file}`
const core = (file: string) => `packages/core/src/${file}`

const LIST: readonly Omit<Guard, 'tests'>[] = [
  // Keys (hazard c)
  {
    name: 'c: key characters',
    file: core('tenant-key.ts'),
    find: 'if (!KEY.test(value))',
    replace: 'if (false)',
  },
  {
    name: 'c: key length',
    file: core('tenant-key.ts'),
    find: 'if (value.length > room || Buffer.byteLength(value) > room)',
    replace: 'if (false)',
  },
  {
    name: 'c: reserved names',
    file: core('tenant-key.ts'),
    find: "if (name.startsWith('pg_') || RESERVED.has(name))",
    replace: 'if (false)',
  },
  {
    name: 'one tenant for each context',
    file: core('context.ts'),
    find: 'if (current !== undefined) throw crossTenant()',
    replace: '',
  },

  // The gate (hazards b, f, k', v)
  {
    name: 'b: the pin holds the schema',
    file: src('scope/opening.ts'),
    find: 'bytes: statement(entrance.pin),',
    replace: "bytes: statement('select 1'),",
  },
  ...['role', 'schema'].flatMap((level) => [
    {
      name: `f: role unchanged at the end (level ${level})`,
      file: src(`isolation/${level}.ts`),
      find: `when current_user operator(pg_catalog.=) ${level === 'role' ? '$3' : 'session_user'}\n   and`,
      replace: level === 'role' ? 'when $3 is not null and' : 'when',
    },
    {
      name: `f: schema first at the end (level ${level})`,
      file: src(`isolation/${level}.ts`),
      find: '   and pg_catalog.current_schema() operator(pg_catalog.=) $2\n',
      replace: '   and $2::pg_catalog.text is not null\n',
    },
    {
      name: `f: path unchanged at the end (level ${level})`,
      file: src(`isolation/${level}.ts`),
      find: "   and pg_catalog.current_setting('search_path') operator(pg_catalog.=) $1\n",
      replace: '',
    },
    {
      name: `v: durability pinned (level ${level})`,
      file: src(`isolation/${level}.ts`),
      find: "when 'remote_apply' then 'remote_apply' else 'on' end, true)",
      replace:
        "when 'remote_apply' then 'remote_apply' else pg_catalog.current_setting('synchronous_commit') end, true)",
    },
    {
      name: `v: durability unchanged at the end (level ${level})`,
      file: src(`isolation/${level}.ts`),
      find: "   and pg_catalog.current_setting('synchronous_commit') in ('on', 'remote_apply')\n",
      replace: '',
    },
    {
      name: `k': advisory locks released (level ${level})`,
      file: src(`isolation/${level}.ts`),
      find: '  pg_catalog.pg_advisory_unlock_all(),\n',
      replace: '',
    },
  ]),
  {
    name: 'level schema puts off a role left behind',
    file: src('isolation/schema.ts'),
    find: "  pg_catalog.set_config('role', 'none', true),\n",
    replace: '',
  },
  ...["'close all'", "'unlisten *'", "'reset all'", "'discard temp'", "'discard sequences'"].map(
    (command) => ({
      name: `k': ${command}`,
      file: src('scope/control.ts'),
      find: command,
      replace: "'select 1'",
    }),
  ),
  {
    name: "k': clean for another tenant",
    file: src('scope/opening.ts'),
    find: ' && memory.served === place',
    replace: '',
  },
  {
    name: "k': clean after use by others",
    file: src('scope/opening.ts'),
    find: ' && memory.servedAt + 1 === memory.acquired',
    replace: '',
  },
  {
    name: 'p: behind a pooler nothing is prepared or taken for clean',
    file: src('scope/opening.ts'),
    find: 'memory.direct ??= pid === String(session.processId)',
    replace: 'memory.direct ??= true',
  },
  {
    name: 'w: nothing runs behind a failed opening',
    file: src('driver/exchange.ts'),
    find: '[...steps.map((step) => step.bytes), SYNC]',
    replace:
      "[...steps.flatMap((step) => (step.phase === 'statement' ? [SYNC, step.bytes] : [step.bytes])), SYNC]",
  },

  // The connection (hazards g, h, i, j, q, r)
  {
    name: 'g: only an idle connection goes back',
    file: src('driver/session.ts'),
    find: '!this.alive || !this.#idle || this.#running',
    replace: '!this.alive',
    equivalent: 'the next checkout destroys a connection that is not idle; two lines of defence',
  },
  {
    name: 'g: a dead connection does not go back',
    file: src('driver/session.ts'),
    find: '!this.alive || !this.#idle ||',
    replace: '!this.#idle ||',
    equivalent:
      "pg's pool removes a client whose connection has failed by itself; the check keeps us from relying on it",
  },
  {
    name: 'k: a statement that failed is prepared anew',
    file: src('driver/session.ts'),
    find: 'if (refused?.runs !== undefined) prepared.delete(refused.runs)',
    replace: '',
  },
  {
    name: 'h: silence ends the connection',
    file: src('driver/session.ts'),
    find: 'setTimeout(() => this.#sever(), patienceMs)',
    replace: 'setTimeout(() => {}, patienceMs)',
  },
  {
    name: 'i: wait for the cancel request',
    file: src('driver/session.ts'),
    find: 'if (this.#cancelling && !(await this.#cancelling)) this.#sever()',
    replace: '',
  },
  {
    name: 'i: cancel on the server',
    file: src('driver/session.ts'),
    find: 'this.#cancelling = cancelBackend(this.#client)',
    replace: '',
  },
  {
    name: 'g: judge only at ReadyForQuery',
    file: src('driver/exchange.ts'),
    find: "    connection.once('readyForQuery', onReady)",
    replace: "    onReady({ status: 'E' })",
  },
  {
    name: 'r: a permanent error listener',
    file: src('driver/memory.ts'),
    find: "client.on('error', (error) => {",
    replace: 'void ((error: Error) => {',
  },
  {
    name: 'j: the wait for a connection is bounded',
    file: src('driver/checkout.ts'),
    find: 'if (stop()) reject(exhausted(waitMs))',
    replace: '',
  },
  {
    name: 'j: a late connection goes back',
    file: src('driver/checkout.ts'),
    find: '          if (!waiting) {\n            client.release()\n',
    replace: '          if (!waiting) {\n',
  },
  {
    name: 'pg-native is refused',
    file: src('driver/checkout.ts'),
    find: 'if (!isWireClient(client)) {',
    replace: 'if (!isWireClient(client) && Number.isNaN(0)) {',
  },

  // The transaction (hazards a, f, g, q)
  {
    name: 'f: a statement that ends the transaction is noticed',
    file: src('scope/transaction.ts'),
    find: "if (outcome.status === 'T') return",
    replace: 'if (outcome.status) return',
    equivalent:
      'the portal of the gate is gone as well then, so the check before COMMIT still fails; this one is sooner',
  },
  {
    name: 'q: COMMIT that was never sent is no unknown outcome',
    file: src('scope/transaction.ts'),
    find: 'const error = outcome.unsent',
    replace: 'const error = outcome.unsent && Number.isNaN(0)',
    equivalent:
      'a scope whose connection died before COMMIT is doomed and says CONNECTION_LOST without trying; without the line the answer would only be more cautious',
  },
  {
    name: 'q: a lost COMMIT is not a failure',
    file: src('errors/from-scope.ts'),
    find: 'return proven ? connectionLost(error) : unknownOutcome(error)',
    replace: 'return connectionLost(error)',
  },
  {
    name: 'q: a proven failure is not unknown',
    file: src('errors/from-scope.ts'),
    find: 'return proven ? connectionLost(error) : unknownOutcome(error)',
    replace: 'return unknownOutcome(error)',
  },
  {
    name: 'q: unknown outcomes are asked about',
    file: src('scope/transaction.ts'),
    find: "if (error.code !== 'UNKNOWN_OUTCOME' || !apart) throw error",
    replace: 'throw error',
  },
  {
    name: 'q: only committed counts as committed',
    file: src('scope/resolve-outcome.ts'),
    find: "if (status === 'aborted') {",
    replace: "if (status === 'aborted') return\n    if (status === 'aborted') {",
  },
  {
    name: 'q: no retry after an unknown outcome',
    file: src('errors/from-database.ts'),
    find: "    error.code === 'CONFLICT' &&\n    (sqlState",
    replace: "    error.code === 'UNKNOWN_OUTCOME' || (sqlState",
  },
  {
    name: 'rollback waits for what is running',
    file: src('scope/transaction.ts'),
    find: '    await this.#wire.catch(ignore)\n    if (!session.used)',
    replace: '    if (!session.used)',
  },
  {
    name: 'an unfinished COPY takes its connection along',
    file: src('scope/transaction.ts'),
    find: 'if (this.#lent) return session.destroy()',
    replace: '',
  },
  {
    name: 'forgotten prepared statements are prepared again',
    file: src('scope/transaction.ts'),
    find: 'if (!forgotControls(first)) return first',
    replace: 'return first',
  },

  {
    name: 'g: a connection given back inside a transaction is not used',
    file: src('driver/checkout.ts'),
    find: "if (isWireClient(client) && client.getTransactionStatus() !== 'I') {",
    replace: 'if (Number.isNaN(0)) {',
  },
  {
    name: "k': the session is cleaned behind a rollback",
    file: src('scope/transaction.ts'),
    find: '[ROLLBACK, RESET, ...CLEAN].map',
    replace: '[ROLLBACK].map',
    equivalent:
      'the next opening cleans as well, because a rolled-back scope never counts as clean; two lines of defence',
  },
  {
    name: "k': a rolled-back scope does not count as clean",
    file: src('scope/transaction.ts'),
    find: '        await session.send(steps(), GRACE_MS)\n      }\n    }\n    session.release(undefined)',
    replace:
      '        await session.send(steps(), GRACE_MS)\n      }\n    }\n    session.release(this.entrance.place)',
    equivalent: 'the session has been cleaned behind the rollback; two lines of defence',
  },
  {
    name: "k': settings are reset for the same tenant too",
    file: src('scope/opening.ts'),
    find: 'begin(memory, mode), RESET.on(memory)]',
    replace: 'begin(memory, mode)]',
  },
  {
    name: "k': temporary tables come last in the path",
    file: src('isolation/names.ts'),
    find: ", ', pg_temp'].join('')",
    replace: "].join('')",
  },
  {
    name: "k': the transaction's mode does not come from the session",
    file: src('scope/control.ts'),
    find: "'begin isolation level read committed read write'",
    replace: "'begin'",
  },
  {
    name: 'v: deferred triggers run before the check',
    file: src('scope/transaction.ts'),
    find: '[...last(one), CONSTRAINTS.on(one.memory), check, commit()]',
    replace: '[...last(one), check, commit()]',
  },
  {
    name: 'c: overlapping prefixes have different markers',
    file: src('isolation/names.ts'),
    find: 'marker: `_tenant_${schemaPrefix}`',
    replace: 'marker: `_tenant_`',
  },
  {
    name: "f: cursors of the scope are not the caller's",
    file: src('scope/refuse.ts'),
    find: 'if (CURSOR_COMMANDS.has(first) && text.toLowerCase().includes(PORTAL_PREFIX)) why = OWN_PORTAL',
    replace: '',
  },
  {
    name: 'level schema: a replaced gate is parsed anew',
    file: src('isolation/schema.ts'),
    find: 'failsSafe: false',
    replace: 'failsSafe: true',
  },
  {
    name: 'a COPY nobody finishes ends',
    file: src('driver/copy-exchange.ts'),
    find: 'this.#watchdog = setTimeout(() => this.#giveUp(), patienceMs)',
    replace: 'this.#watchdog = setTimeout(() => {}, patienceMs)',
  },
  {
    name: 'who waits hears of the death of the connection',
    file: src('scope/level.ts'),
    find: 'await Promise.race([before, this.transaction.lost])',
    replace: 'await before',
  },
  {
    name: 'one connection for a scope, however many ask',
    file: src('scope/transaction.ts'),
    find: 'this.#checkout ??= checkout(',
    replace: 'this.#checkout = checkout(',
  },
  {
    name: 'a level that ended while it waited sends nothing',
    file: src('scope/level.ts'),
    find: '        this.#assertAlive()\n        return steps(session)',
    replace: '        return steps(session)',
  },
  {
    name: 'q: a committed scope is committed whatever follows',
    file: src('scope/transaction.ts'),
    find: "if (tag === 'COMMIT' && outcome.kind !== 'done') {",
    replace: 'if (Number.isNaN(0)) {',
    equivalent: 'needs the connection to break between two bytes of one packet; the soak is what found it',
  },
  {
    name: 'r: the error of an idle connection does not end the process',
    file: src('driver/memory.ts'),
    find: "  pool.on('error', () => {})\n",
    replace: '',
  },

  // The callback (hazards a, d, e, f, j, m)
  {
    name: 'a: a swallowed failure is not a success',
    file: src('scope/run-scope.ts'),
    find: 'if (failure) throw transaction.doom ?? swallowed(failure)',
    replace: 'if (failure) return value',
  },
  {
    name: 'a: the same in a savepoint',
    file: src('scope/savepoint.ts'),
    find: 'if (inner.busy || inner.failure) {',
    replace: 'if (inner.busy) {',
  },
  {
    name: 'd: nothing may be running at the end',
    file: src('scope/run-scope.ts'),
    find: 'if (level.busy) throw notAwaited()',
    replace: '',
  },
  {
    name: 'd: nor at the end of a savepoint',
    file: src('scope/savepoint.ts'),
    find: 'if (inner.busy || inner.failure) {',
    replace: 'if (inner.failure) {',
  },
  {
    name: 'd: a forgotten promise does not end the process',
    file: src('scope/handle.ts'),
    find: '  promise.catch(() => {})\n',
    replace: '',
  },
  {
    name: 'e: a handle ends with its callback',
    file: src('scope/level.ts'),
    find: '    if (this.#over) throw this.#over()\n',
    replace: '',
  },
  {
    name: 'e: and so do the handles of savepoints in it',
    file: src('scope/level.ts'),
    find: 'for (const child of this.#children) child.end(reason)',
    replace: '',
  },
  {
    name: 'j: the outer handle is refused inside',
    file: src('scope/level.ts'),
    find: 'if (running && running !== this && running.isBelow(this)) throw busy()',
    replace: '',
  },
  {
    name: 'j: another tenant inside is refused',
    file: src('tenancy/create-tenancy.ts'),
    find: 'if (running.tenant !== key) throw crossTenant()',
    replace: 'if (running.tenant !== key) return undefined',
    equivalent: 'the tenant context of core refuses the second tenant as well; two lines of defence',
  },
  {
    name: 'j: also by the handle',
    file: src('scope/handle.ts'),
    find: 'key === level.tenant ? nest(level, fn) : Promise.reject(crossTenant())',
    replace: 'nest(level, fn)',
  },
  {
    name: 'f: commands refused',
    file: src('scope/statement.ts'),
    find: '  refuseUnsafe(text)\n',
    replace: '',
  },
  {
    name: 'f: command tags checked',
    file: src('scope/run-statement.ts'),
    find: 'if (isForbiddenTag(run.sink.tag)) throw transaction.escape()',
    replace: '',
    equivalent: 'nothing is known to pass the guard on the first words; this is there for what is not known',
  },
  {
    name: 'm: NOTIFY with a payload',
    file: src('scope/refuse.ts'),
    find: "if (first === 'notify' &&",
    replace: "if (first === 'never' &&",
  },
  {
    name: 'NUL in the text',
    file: src('scope/statement.ts'),
    find: "if (text.includes('\\0'))",
    replace: 'if (false)',
  },
  {
    name: 'too many values',
    file: src('scope/statement.ts'),
    find: 'if (values.length > MAX_VALUES)',
    replace: 'if (false)',
  },
  {
    name: 'k: named statements apart for each tenant',
    file: src('scope/run-statement.ts'),
    find: '`${statement.name}@${place}`',
    replace: '`${statement.name}`',
    equivalent:
      'PostgreSQL plans a statement again when the search path differs; the name saves it from having to',
  },
  {
    name: 'a type parser that throws is contained',
    file: src('scope/result.ts'),
    find: '    } catch {\n      this.#broken = true\n    }',
    replace: '    } finally {\n      this.#broken = false\n    }',
  },
  {
    name: 'errors hold no values',
    file: src('errors/from-database.ts'),
    find: 'const known = isFreeOfValues(error)',
    replace: 'const known = error',
  },
  {
    name: 'errors do not carry the original where it is logged',
    file: src('errors/driver-error.ts'),
    find: '  originals.set(error, original)\n',
    replace: '  originals.set(error, original)\n  error.cause = original\n',
  },
  {
    name: 'an aborted scope sends nothing',
    file: src('scope/run-scope.ts'),
    find: 'if (signal?.aborted) throw aborted(signal)',
    replace: '',
  },

  // Provisioning
  {
    name: 'one provisioning at a time',
    file: src('lifecycle/lifecycle.ts'),
    find: 'await admin.run(`select pg_advisory_xact_lock',
    replace: 'await admin.run(`select $1::text; --',
  },
  {
    name: 'only schemas that are ours',
    file: src('lifecycle/lifecycle.ts'),
    find: "if (marker.length === 1) return 'provisioned'",
    replace: "if (marker) return 'provisioned'",
  },
  {
    name: 'only roles that are harmless',
    file: src('lifecycle/tenant-role.ts'),
    find: 'if (!facts || facts.mighty) {',
    replace: 'if (!facts) {',
  },
  {
    name: 'the application inherits nothing',
    file: src('lifecycle/tenant-role.ts'),
    find: "' with inherit false, set true'",
    replace: "' with inherit true, set true'",
  },
  {
    name: 'the tenant owns its tables',
    file: src('lifecycle/apply-migrations.ts'),
    find: "role ?? 'none'",
    replace: "'none'",
  },
  {
    name: 'a migration stays in its transaction',
    file: src('lifecycle/apply-migrations.ts'),
    find: 'left?.transaction !== transaction || ',
    replace: '',
  },
  {
    name: 'a migration keeps its role',
    file: src('lifecycle/apply-migrations.ts'),
    find: ' || left?.unchanged !== true',
    replace: '',
  },
  {
    name: 'the marker is not writable for the tenant',
    file: src('lifecycle/tenant-schema.ts'),
    find: 'grant select on ${qualify(schema, markerTable)}',
    replace: 'grant all on ${qualify(schema, markerTable)}',
  },
  {
    name: 'drop waits for scopes',
    file: src('lifecycle/tenant-schema.ts'),
    find: '  await admin.run(`lock table ${qualify(schema, markerTable)} in access exclusive mode`)\n',
    replace: '',
    equivalent: 'DROP SCHEMA takes the same lock on the same table; taking it first makes the order certain',
  },
]

export const scopeGuards: readonly Guard[] = LIST.map((guard) => ({ ...guard, tests: SCOPE_TESTS }))

/** The library says what to do next as a call of its own; at a terminal it is a command. Longer ones first. */
const COMMANDS: readonly (readonly [call: RegExp, command: string])[] = [
  [/provision\(key, \{ reuseDeletedKey: true \}\)/g, 'pg-tenant create <key> --reuse-deleted-key'],
  [/\b(?:R|r)un migrate with only: \[key\] and recheck: true/g, 'Run pg-tenant migrate <key> --recheck'],
  [/\bprovision\((?:its )?key\)/g, 'pg-tenant create <key>'],
  [/\b(drop|suspend|resume)\(key\)/g, 'pg-tenant $1 <key>'],
  [/\bRun dropDatabase again\b/g, 'Run pg-tenant app drop <name> again'],
  [/\bmade by provisionDatabase\b/g, 'made by pg-tenant app create'],
  [
    /\bcreateTenancy was given no adminPool, so the application's pool\b/g,
    'There is no ADMIN_DATABASE_URL, so DATABASE_URL',
  ],
  [
    /\badminPool is the application's own pool\b/g,
    'ADMIN_DATABASE_URL is left out or the same as DATABASE_URL',
  ],
  [
    /\bcreateTenancy\(\{ pool, adminPool \}\)/g,
    'its URL in ADMIN_DATABASE_URL (or adminUrl in the configuration)',
  ],
  [/\bretention\.run(?:Shared\(admin\)|Tenants\(control, tenancy\))/g, 'pg-tenant retention run'],
  [/\baudit\.seal\(admin\)/g, 'pg-tenant audit seal'],
  [/\bused\.rollUp\(admin\)/g, 'pg-tenant usage roll-up'],
  [/\bprivacy\.replay\(tenant\)/g, 'pg-tenant privacy replay <key>'],
  [/\boutboxControl\(pool\)\.list\((\{ reason \})?\)/g, 'pg-tenant outbox list'],
  [/\b(redrive|discard)\(\{ reason \}\)/g, 'pg-tenant outbox $1 --reason <code>'],
  [/\binstall(Audit|Outbox|Privacy|Retention|Usage)\(admin\)/g, 'pg-tenant $1 install'],
  [/\binstallJobs\(admin\)/g, 'pg-tenant outbox install'],
  [/\ba worker \(createWorker\)/g, 'pg-tenant worker'],
  [
    /\ba worker with it \(createWorker\(\{ jobs \}\)\), or jobs\.runDue\(\) from cron/g,
    'pg-tenant worker, or worker --once from cron',
  ],
  [
    /\blet it come round every (day|minute) \(createJobs\)/g,
    'let it come round every $1 (worker.jobs in the configuration)',
  ],
  [/\bproposeMoves\b/g, 'pg-tenant advise --fleet'],
  [/\bconfirmAdoption\(key\)/g, 'pg-tenant adopt <key> --confirm'],
  [/\bundoAdoption\(key\)/g, 'pg-tenant adopt <key> --undo'],
  [/\bleave copy: "replication" out\b/g, 'leave --replication out'],
  [/\bname ("[a-z]{1,30}") in lose\b/g, 'name $1 in --lose'],
  [/\badopt\((?:its )?key\)/g, 'pg-tenant adopt <key>'],
  [/\bfind\(key\)/g, 'pg-tenant list'],
  [/baseline: '([^']{1,200})', or null for none of them/g, '--baseline $1, or none'],
  [/baseline: '([^']{1,200})'/g, '--baseline $1'],
  [/\bLeave baseline out, or say baseline: null\b/g, 'Leave --baseline out, or say --baseline none'],
  [/\bLeave baseline out\b/g, 'Leave --baseline out'],
  [/reuseDeletedKey: true/g, '--reuse-deleted-key'],
  [/drift: 'accept'/g, '--accept-drift'],
  [/\bcode: 'accept'/g, '--accept-code'],
  [/\(role: …/g, '(--role'],
  [/\(password: …/g, '(--passwords'],
  [/\bnewPassword: true/g, '--new-password'],
  [/\berror\.adoption\.findings has\b/g, '--dry-run shows'],
  [/\blist\(\)/g, 'pg-tenant list'],
  [/\b(R|r)un (?:the )?(migrate|backup)\b/g, '$1un pg-tenant $2'],
  [/say force: 'replace'/g, 'say --replace'],
  [/say onBusy: 'terminate'/g, 'say --terminate'],
  [/load with \{ unqualify: "public" \}/g, "set unqualify: 'public' in the configuration"],
]

/** A message of the library as one reads it at a terminal. */
export function commandsForCalls(message: string): string {
  return COMMANDS.reduce((text, [call, command]) => text.replace(call, command), message).replace(
    /pg-tenant (Audit|Outbox|Privacy|Retention|Usage)\b/g,
    (found) => found.toLowerCase(),
  )
}

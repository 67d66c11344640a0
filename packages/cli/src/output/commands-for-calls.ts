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
  [/\blist\(\)/g, 'pg-tenant list'],
  [/\b(R|r)un (?:the )?(migrate|backup)\b/g, '$1un pg-tenant $2'],
  [/say force: 'replace'/g, 'say --replace'],
  [/say onBusy: 'terminate'/g, 'say --terminate'],
  [/load with \{ unqualify: "public" \}/g, "set unqualify: 'public' in the configuration"],
]

/** A message of the library as one reads it at a terminal. */
export function commandsForCalls(message: string): string {
  return COMMANDS.reduce((text, [call, command]) => text.replace(call, command), message)
}

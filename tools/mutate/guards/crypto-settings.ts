import { type Guard, cryptoGuard as guard } from '../guard.ts'

// File, text that occurs once, what takes its place. What each is for stands where it is.

export const cryptoSettingsGuards: readonly Guard[] = [
  guard('settings/sql.ts', 'order by given.key collate "C"', ''),
  guard(
    'settings/sql.ts',
    "greatest(clock_timestamp(), stored.updated_at + interval '1 microsecond')",
    'clock_timestamp()',
  ),
  guard('settings/sql.ts', 'where stored.key = $1 and ${VERSION} = $3', "where stored.key = $1 and $3 <> ''"),
  guard('settings/sql.ts', 'and ${VERSION} = $2`', "and $2 <> ''`"),
  guard(
    'settings/settings.ts',
    'const masked = values.definitionOf(key).secret && !reveal.includes(key)',
    'const masked = false',
  ),
  guard(
    'settings/settings.ts',
    'const masked = values.definitionOf(key).secret && !reveal.includes(key)',
    'const masked = values.definitionOf(key).secret && reveal.length === 0',
  ),
  guard('settings/keeper.ts', 'if (!keyless || !onPlaintext) throw error', 'if (!keyless) throw error'),
  guard('settings/keeper.ts', "typeof secrets !== 'function' && isTenancyError", 'isTenancyError'),
  guard('settings/keeper.ts', "&& isTenancyError(error, 'KEY_MISSING')", '&& isTenancyError(error)'),
  guard(
    'settings/keeper.ts',
    'if (!onPlaintext) throw plaintextFound(setting)',
    'if (!onPlaintext) return stored',
  ),
  guard('settings/keeper.ts', 'if (looksSealed(text))', 'if (false)'),
  guard(
    'settings/keeper.ts',
    '({ tenant, table: SETTINGS_TABLE, name })',
    "({ tenant: 'acme', table: SETTINGS_TABLE, name })",
  ),
  guard(
    'settings/values.ts',
    'await requireFit(key, schema, decode(clear, text))',
    'await requireFit(key, schema, value)',
  ),
  guard('settings/values.ts', "if (stored.includes('\\0'))", 'if (false)'),
  guard(
    'settings/validation.ts',
    'value === undefined ? { issues: 1 } : await validate(schema, value)',
    'await validate(schema, value)',
  ),
  guard('settings/options.ts', "typeof tenant === 'string' && tenant !== ''", 'true'),
  guard('rotation/sql.ts', ' and stored.${quote(value)} = given.old', ''),
  guard('rotation/sql.ts', 'for update of stored skip locked', 'for update of stored'),
  guard('rotation/sql.ts', "name.replaceAll('\"', '\"\"')", 'name'),
  guard('rotation/finding.ts', "if (isTenancyError(error, 'ENVELOPE_UNREADABLE')) return error", ''),
  guard('rotation/batch.ts', 'if (one.fresh === undefined || done.has(idOf(one)))', 'if (true)'),
  guard(
    'rotation/batch.ts',
    'settings.dryRun ? new Set(stale.map(idOf)) : await swap',
    'await swap',
    'a dry run seals nothing anew (finding.ts), so the swap would write back what is there',
  ),
  guard('rotation/fleet.ts', '!aborted && failed === 0 && open === 0', '!aborted && failed === 0'),
  guard(
    'rotation/keys-in-use.ts',
    'report.aborted || report.failed > 0 || report.tenants === 0',
    'report.aborted || report.tenants === 0',
  ),
  guard(
    'rotation/keys-in-use.ts',
    'report.aborted || report.failed > 0 || report.tenants === 0',
    'report.aborted || report.failed > 0',
  ),
  guard('rotation/keys-in-use.ts', 'if (report.unreadable > 0)', 'if (false)'),
  guard('rotation/keys-in-use.ts', "'startAfter' in options)", 'false)'),
  guard('rotation/lanes.ts', 'while (!failed && goOn())', 'while (goOn())'),
]

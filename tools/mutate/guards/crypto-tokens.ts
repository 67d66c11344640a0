import { type Guard, cryptoGuard as guard } from '../guard.ts'

// File, text that occurs once, what takes its place. What each is for stands where it is.

export const cryptoTokensGuards: readonly Guard[] = [
  guard('tokens/compact.ts', "  if (header.alg !== 'RS256') throw invalidToken()", ''),
  guard(
    'tokens/compact.ts',
    '  if (REFUSED.some((name) => Object.hasOwn(header, name))) throw invalidToken()',
    '',
  ),
  guard('tokens/compact.ts', "  if (bytes.toString('base64url') !== text) throw invalidToken()", ''),
  guard('tokens/compact.ts', '  if (depth === 0) throw invalidToken()', ''),
  guard('tokens/compact.ts', '  Object.freeze(value)', ''),
  guard('tokens/claims.ts', 'raw.iss !== iss || ', ''),
  guard('tokens/claims.ts', ' || !isAudience(raw.aud, policy)', ''),
  guard('tokens/claims.ts', 'audienceList && Array.isArray', 'Array.isArray'),
  guard('tokens/claims.ts', 'Math.min(token.exp, token.iat + policy.maxAge)', 'token.exp'),
  guard('tokens/claims.ts', 'Number.isSafeInteger(value) && (value as number) > 0', 'Number(value) > 0'),
  guard('tokens/rsa-key.ts', '    modulusLength >= MIN_BITS &&', ''),
  guard('tokens/jwks.ts', "(use === undefined || use === 'sig') &&", ''),
  guard('tokens/jwks.ts', '      keys.delete(jwk.kid)', ''),
  guard('tokens/signing-keys.ts', '!entry.removed && clock() < entry.trustedUntil', '!entry.removed'),
  guard('tokens/verifier.ts', 'entry.keys.peek(entry.kid) === entry.key', 'true'),
  guard('tokens/verifier.ts', 'keysOf(entry.token.tenantId) === entry.keys &&', ''),
  guard('tokens/verifier.ts', 'clock() < entry.until &&', ''),
  guard('tokens/verifier.ts', ' && (await denied)', ''),
  guard('tokens/fetch-json.ts', "if (size > MAX_BYTES) throw new Error('size')", ''),
  guard('tokens/fetch-json.ts', "redirect: 'error'", "redirect: 'follow'"),
  guard('tokens/remote-keys.ts', 'age() >= cooldown && mayRetry()', 'mayRetry()'),
  guard('tokens/remote-keys.ts', 'document.issuer === issuer', 'true'),
  guard('tokens/denied-table.ts', 'asked - snapshot.startedAt > bound)', 'false)'),
  guard(
    'tokens/denied-table.ts',
    'snapshot !== undefined && snapshot.startedAt >= asked - bound',
    'snapshot !== undefined',
  ),
  guard('tokens/denylist.ts', 'for (const { jti } of list) own.set(`${db.tenant} ${jti}`, true)', ''),
  guard('tokens/refresh-rotate.ts', '!inGrace || ', ''),
  guard('tokens/refresh-rotate.ts', '!nextUsable || ', ''),
  guard('tokens/refresh-rotate.ts', "if (family.revoked) return { outcome: 'revoked' }", ''),
  guard(
    'tokens/refresh-rotate.ts',
    "await revokeFamilies(db, [family], 'reused', settings)",
    '{ accessTokens: [] }',
  ),
  guard('tokens/refresh-secret.ts', 'v1\\0${tenant}\\0`).update(bytes)', 'v1\\0`).update(bytes)'),
  guard(
    'tokens/migrations.ts',
    'create unique index idx_refresh_token_family_id_live',
    'create index idx_refresh_token_family_id_live',
  ),
]

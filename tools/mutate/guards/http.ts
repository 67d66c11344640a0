import { type Guard, guardsIn } from '../guard.ts'

const core = guardsIn('packages/core/src/', [['packages/core/test']])
const http = guardsIn('packages/pg-tenant/src/', [['packages/pg-tenant/test/http']])

export const httpGuards: readonly Guard[] = [
  core('resolve/request.ts', 'if (new Set(values).size > 1) throw mismatch()', ''),
  core(
    'resolve/request.ts',
    'const value = own(headersDistinct, name) ?? own(headers, name)',
    'const value = own(headers, name)',
  ),
  core('resolve/from-header.ts', 'if (named.size > 1) throw mismatch()', ''),
  core(
    'resolve/resolve-tenant.ts',
    'if (new Set(named.map(({ tenant }) => tenant)).size > 1) throw mismatch()',
    '',
  ),
  core(
    'resolve/resolve-tenant.ts',
    'if (named.some((other) => other.tenant !== tenant)) throw mismatch()',
    '',
  ),
  core('resolve/resolve-tenant.ts', "|| rest.actor.type !== 'service'", ''),
  core(
    'resolve/resolve-tenant.ts',
    'const source = named.find(({ kind }) => allowed.has(kind))',
    'const source = named[0]',
  ),
  core('resolve/resolve-tenant.ts', 'if (directory) await requireActive(directory, resolved.tenant)', ''),
  core(
    'resolve/resolve-tenant.ts',
    'if (first === undefined || second === undefined) return first',
    'return first',
  ),
  core(
    'resolve/from-claim.ts',
    "if (type !== 'service' && (type !== 'user' || tenantId === undefined)) throw invalidToken()",
    '',
  ),
  core('resolve/bearer.ts', "if (more.length > 0) throw malformed('authorization', 'repeated')", ''),
  core(
    'resolve/bearer.ts',
    "if (/,\\s*bearer\\b/i.test(value)) throw malformed('authorization', 'repeated')",
    '',
  ),
  core(
    'resolve/from-api-key.ts',
    "if (inHeader !== undefined && inBearer !== undefined) throw malformed('x-api-key', 'credentials')",
    '',
  ),
  core(
    'resolve/host.ts',
    'const forwarded = trusted.isProxied(request) ? agreed(forwardedHosts(request, trusted)) : undefined',
    'const forwarded = agreed(forwardedHosts(request, trusted))',
  ),
  core(
    'resolve/host.ts',
    "if (hosts.size > 1) throw [...hosts].includes('') ? malformed('host', 'conflict') : mismatch()",
    '',
  ),
  core('resolve/host.ts', '    ...absolute(request.url),\n', ''),
  core('resolve/host.ts', 'Number.isFinite(hops) ? list.slice(-hops) : list', 'list'),
  core(
    'resolve/host.ts',
    'return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())',
    'return text.toLowerCase()',
  ),
  core(
    'resolve/from-subdomain.ts',
    'if (outside !== undefined && inside !== undefined && outside !== inside) throw mismatch()',
    '',
  ),
  core('resolve/from-subdomain.ts', '.sort((a, b) => b.length - a.length)', ''),
  core(
    'resolve/from-path.ts',
    "if (looksAlike && meant.length > expected.length) throw malformed('path', 'ambiguous')",
    '',
  ),
  core(
    'resolve/from-path.ts',
    "if (segments.includes('..') || segments.includes('.')) throw malformed('path', 'dots')",
    '',
  ),
  core(
    'resolve/trust.ts',
    'version === 0 || rest.length > 0 || length < 1',
    'version === 0 || rest.length > 0 || length < 0',
  ),
  core(
    'resolve/trust.ts',
    'values.length === 1 && value !== undefined && REQUEST_ID.test(value)',
    'value !== undefined',
  ),
  core(
    'resolve/trust.ts',
    "trusted.isProxied(request) ? headerValues(request, 'x-request-id') : []",
    "headerValues(request, 'x-request-id')",
  ),
  core(
    'resolve/directory.ts',
    "throw found?.status === 'suspended' ? suspended() : unknownTenant()",
    "if (found === undefined) throw unknownTenant()\n  if (found.status === 'suspended') throw suspended()",
  ),
  core('resolve/directory.ts', "if (found?.status === 'active') remember", 'if (found) remember'),
  core('error-body.ts', '.filter(([name]) => !INSIDE.has(name))', ''),
  core('error-body.ts', 'if (status < 500 || SHOWN.has(code)) return code', 'return code'),
  http('express/tenant.ts', '      await held.ended\n', ''),
  http('express/tenant.ts', 'if (res.statusCode >= 400) throw REFUSED', ''),
  http('express/tenant.ts', "if (isTenancyError(state.error, 'SCHEMA_UNUSABLE')) throw state.error", ''),
  http('express/tenant.ts', 'retry: { attempts: 1 }, signal }', 'retry: { attempts: 1 } }'),
  http(
    'express/send-error.ts',
    'if (res.writableEnded || held?.complete) return',
    'if (res.writableEnded) return',
  ),
  http('express/send-error.ts', '  held?.reset()\n', ''),
  http('express/send-error.ts', '    res.destroy()\n', '    res.end()\n'),
  http(
    'express/held-response.ts',
    '      for (const name of res.getHeaderNames()) res.removeHeader(name)\n',
    '',
  ),
  http('express/held-response.ts', '    ended.reject(tooLong(limit))\n', ''),
  http('hono/tenant.ts', 'if (c.error !== undefined || c.res.status >= 400) throw REFUSED', ''),
  http('hono/tenant.ts', '    c.res = undefined\n', ''),
  http('hono/tenant.ts', "if (isTenancyError(c.error, 'SCHEMA_UNUSABLE')) throw c.error", ''),
  http('hono/tenant.ts', 'retry: { attempts: 1 }, signal: c.req.raw.signal }', 'retry: { attempts: 1 } }'),
  http(
    'http/answer.ts',
    'return new TenancyError(error.code, error.message, { details: { ...error.details, field } })',
    'return error',
  ),
  http('http/access-line.ts', ".replace(/[?#].*$/s, '')", ''),
]

import { parseTenantKey, type TenantQueryable } from '@org/core'
import { API_KEYS_MIGRATION } from '@org/crypto/api-keys'
import { DENIED_JTI_MIGRATION } from '@org/crypto/tokens'
import { createTenancy, type Tenancy } from '@org/pg-tenant'
import pg from 'pg'
import {
  ENVELOPE,
  ENVELOPES_AT_ONCE,
  openContenders,
  sealContenders,
} from '../contenders/crypto-envelopes.ts'
import {
  API_KEY,
  API_KEYS_AT_ONCE,
  apiKeyContenders,
  PASSWORD,
  passwordContenders,
} from '../contenders/crypto-keys.ts'
import { TOKEN, TOKENS_AT_ONCE, tokenContenders } from '../contenders/crypto-tokens.ts'
import { type Contender, costOf, interleave, type Measured, ratio } from '../measure/interleave.ts'
import { spreadOf } from '../measure/statistics.ts'
import type { Effort } from '../options.ts'
import { atMost, type Finding, finding, type SuiteResult } from '../report/result.ts'
import type { Bench } from '../server.ts'

const TENANT = 'acme'

/** What still counts as no slower. */
const SAME = 1.15

/** Contenders that were measured together; `times` is how often each does its work in one go. */
interface Group {
  readonly measured: readonly Measured[]
  readonly times: number
}

/** Secrets, tokens, API keys and passwords against what they are built on. */
export async function cryptoSuite(bench: Bench, effort: Effort): Promise<SuiteResult> {
  const { tenancy, close } = await provisionTenant(bench)
  const together = async (contenders: readonly Contender[], times: number): Promise<Group> => {
    const { loopbackSliceMs: sliceMs, warmUp } = effort
    const plan = { concurrency: 1, sliceMs, rounds: effort.rounds * 2, warmUp }
    return { measured: await interleave(contenders, plan), times }
  }
  const seal = await together(sealContenders(), ENVELOPES_AT_ONCE)
  const open = await together(openContenders(), ENVELOPES_AT_ONCE)
  const scoped = await tokenContenders(TENANT, (tenant, read) =>
    tenancy.withTenant(tenant, read, { readOnly: true }),
  )
  const tokens = await together(scoped, TOKENS_AT_ONCE)
  const { near, far } = await apiKeyContenders(oneShot(tenancy))
  const apiKeys = await together(near, API_KEYS_AT_ONCE)
  const lookUps = await together(far, 1)
  const passwords = await together(await passwordContenders(), 1)
  await close()
  return {
    suite: 'crypto',
    findings: [
      ...ofEnvelopes('seal', seal),
      ...ofEnvelopes('open', open),
      ...ofTokens(tokens),
      compared(apiKeys, API_KEY.check, API_KEY.hmac),
      compared(lookUps, API_KEY.whole, API_KEY.lookUp),
      compared(passwords, PASSWORD.ours, PASSWORD.bare),
    ],
  }
}

function ofEnvelopes(work: 'seal' | 'open', group: Group): Finding[] {
  const against = (format: 'v1' | 'v2', reference: 'byHand' | 'calls', target?: number) =>
    compared(group, ENVELOPE[format], ENVELOPE[reference], target, `${work} 64 bytes, ${ENVELOPE[format]}`)
  return [against('v1', 'byHand', SAME), against('v1', 'calls'), against('v2', 'byHand')]
}

function ofTokens(group: Group): Finding[] {
  return [
    compared(group, TOKEN.fresh, TOKEN.jose, SAME),
    compared(group, TOKEN.again, TOKEN.jose),
    compared(group, TOKEN.denied, TOKEN.jose),
  ]
}

/** With what it took here, because some of the aims are absolute. */
function compared(
  { measured, times }: Group,
  name: string,
  reference: string,
  target?: number,
  work = name,
): Finding {
  const micros = (of: string) => {
    const each = (spreadOf(costOf(measured, of)).median * 1_000) / times
    return `${each >= 100 ? each.toFixed(0) : each.toFixed(1)} µs`
  }
  const bound = target === undefined ? undefined : atMost(target)
  return finding(
    work,
    reference,
    ratio(measured, name, reference),
    bound,
    `${micros(name)}, reference ${micros(reference)}`,
  )
}

async function provisionTenant(bench: Bench) {
  const { applicationUrl, adminUrl, drop } = await bench.database()
  const pool = new pg.Pool({ connectionString: applicationUrl, max: 2 })
  const adminPool = new pg.Pool({ connectionString: adminUrl, max: 1 })
  const prefix = bench.prefix('y')
  const migrations = [API_KEYS_MIGRATION, DENIED_JTI_MIGRATION]
  const tenancy = createTenancy({ pool, adminPool, schemaPrefix: prefix, rolePrefix: prefix, migrations })
  await tenancy.provision(TENANT)
  const close = async () => {
    await Promise.all([pool.end(), adminPool.end()])
    await drop()
  }
  return { tenancy, close }
}

/** Each statement in a scope of its own, in one round trip. */
function oneShot(tenancy: Tenancy): TenantQueryable {
  return {
    tenant: parseTenantKey(TENANT),
    query: (text, values) => tenancy.query(TENANT, text, values),
  }
}

import { describe, expect, it } from 'vitest'
import { authenticateApiKey, createApiKeyDirectory, createApiKeys } from '../src/api-keys/index.ts'
import {
  assertKeyUnused,
  createDataKeys,
  dataKeyBelongings,
  defineSettings,
  integrationCredentials,
  keyRing,
  keysInUse,
  rotate,
} from '../src/index.ts'
import { createPasswords } from '../src/passwords/index.ts'
import {
  createDenylist,
  createRefreshTokens,
  createRemoteKeys,
  createSigningKeys,
  createTokenIssuer,
  createTokenVerifier,
} from '../src/tokens/index.ts'
import { vaultTransit } from '../src/vault/index.ts'

/** What calls are given in JavaScript, where no compiler looks. */
const misspelt = (name: string): never => ({ [name]: 1 }) as never

describe('a misspelt option', () => {
  it.each([
    ['retierd', 'retired', async () => keyRing(misspelt('retierd'))],
    ['maxAge', 'maxAgeMs', async () => createDataKeys(misspelt('maxAge'))],
    ['shema', 'schema', async () => dataKeyBelongings(misspelt('shema'))],
    ['allowPlainText', 'allowPlaintext', async () => defineSettings({}, misspelt('allowPlainText'))],
    ['secret', 'secrets', async () => integrationCredentials(misspelt('secret'))],
    ['dryrun', 'dryRun', () => rotate(misspelt('dryrun'))],
    ['batchsize', 'batchSize', () => keysInUse(misspelt('batchsize'))],
    ['batchsize', 'batchSize', () => assertKeyUnused('k1', misspelt('batchsize'))],
    ['timeout', 'timeoutMs', async () => vaultTransit(misspelt('timeout'))],
    ['peper', 'peppers', async () => createApiKeys(misspelt('peper'))],
    ['shema', 'schema', async () => createApiKeyDirectory(misspelt('shema'))],
    ['apikeys', 'apiKeys', () => authenticateApiKey(misspelt('apikeys'), 'text')],
    ['maxWiat', 'maxWait', async () => createPasswords(misspelt('maxWiat'))],
    ['whenUnreadble', 'whenUnreadable', async () => createDenylist(misspelt('whenUnreadble'))],
    ['familyLifeTime', 'familyLifetime', async () => createRefreshTokens(misspelt('familyLifeTime'))],
    ['cooldwon', 'cooldown', async () => createRemoteKeys(misspelt('cooldwon'))],
    ['overlaps', 'overlap', async () => createSigningKeys(misspelt('overlaps'))],
    ['audiance', 'audience', async () => createTokenIssuer(misspelt('audiance'))],
    ['audiance', 'audience', async () => createTokenVerifier(misspelt('audiance'))],
  ])('%s is told by name, with %s', async (option, nearest, call) => {
    await expect(call()).rejects.toMatchObject({ code: 'INVALID_OPTION', details: { option, nearest } })
  })
})

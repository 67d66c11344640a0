import { keyRingFromEnv } from '@org/crypto'
import { createRemoteKeys, createTokenVerifier } from '@org/crypto/tokens'
import { createApp } from './app.ts'
import { printJson } from './log.ts'
import { postOffice } from './mail.ts'
import { serveApp } from './server.ts'
import { siteSettings } from './settings.ts'
import { openTenancy } from './tenancy.ts'

/** Serves as the environment says (README). `close` waits for requests in flight, then for mail, scopes and connections. */
export async function startSite(env: NodeJS.ProcessEnv) {
  const need = (name: string, pattern = /./) => {
    if (pattern.test(env[name] ?? '')) return String(env[name])
    throw new Error(`Set ${name}${pattern.source === '.' ? '' : ` so that it matches ${pattern}`}.`)
  }
  const [siteKey, issuer] = [need('SITE_KEY', /^[0-9a-f]{64}$/), need('TOKEN_ISSUER')]
  const keys = createRemoteKeys({ url: need('TOKEN_KEYS_URL') })
  const verifier = createTokenVerifier({ issuer, audience: env.TOKEN_AUDIENCE || 'site', keys })
  const settings = siteSettings(keyRingFromEnv(env))
  const [url, adminUrl] = [need('DATABASE_URL'), need('ADMIN_DATABASE_URL')]
  const site = await openTenancy({ url, adminUrl, rolePrefix: env.ROLE_PREFIX || undefined })
  // Clients of an earlier release get what it did not have; when nobody is behind, this is one query.
  const { ok, behind, failed } = await site.tenancy.migrate({ throwOnFailure: false })
  if (behind > 0) printJson({ level: ok ? 'info' : 'error', message: 'migrated', behind, failed })
  const [domain, credentials] = [env.SITE_DOMAIN || undefined, { siteKey, verifier }]
  const app = createApp({ tenancy: site.tenancy, settings, credentials, domain })
  const server = await serveApp(app, { port: Number(env.PORT || 8787), host: env.HOST || '127.0.0.1' })
  const post = postOffice(site, { settings, log: printJson })
  post.start()
  printJson({ level: 'info', message: 'listening', port: server.port })
  const close = async () => {
    for (const each of [server.close, post.stop, site.close]) await each()
  }
  return { port: server.port, tenancy: site.tenancy, close }
}

/** Ends the process with exit code 0 after `close`, on SIGINT and SIGTERM; package managers may send both. */
export function closeOnSignal(close: () => Promise<void>): void {
  const asked = Promise.withResolvers<void>()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => asked.resolve())
  void asked.promise.then(close)
}

if (import.meta.main) closeOnSignal((await startSite(process.env)).close)

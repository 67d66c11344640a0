/** What `pnpm start` says: what is running, and commands to try. */
export function welcome(
  port: number,
  tenants: readonly string[],
  { database, key }: { readonly database: string; readonly key: string },
): string {
  const url = `http://127.0.0.1:${port}`
  const json = "-H 'X-Client-Key: acme' -H 'Content-Type: application/json'"
  return `
Notes API: ${url}   tenants: ${tenants.join(', ')}
database:  ${database}
key:       ${key}

Write as acme:
  curl -s ${url}/notes ${json} -d '{"body":"hello"}'
Read as acme, then as globex (nothing there):
  curl -s ${url}/notes -H 'X-Client-Key: acme'
  curl -s ${url}/notes -H 'X-Client-Key: globex'
The tenant as a subdomain:
  curl -s http://acme.localhost:${port}/notes
Store acme's SMTP password, sealed; lists mask it:
  curl -s -X PUT ${url}/settings/smtp.password ${json} -d '{"value":"correct horse"}'
  curl -s ${url}/settings -H 'X-Client-Key: acme'
Refused: two tenants in one request, a tenant that is not there, a key that is none (message in Portuguese):
  curl -s http://globex.localhost:${port}/notes -H 'X-Client-Key: acme'
  curl -s ${url}/notes -H 'X-Client-Key: initech'
  curl -s ${url}/notes -H 'X-Client-Key: ACME' -H 'Accept-Language: pt'

Ctrl-C ends it.`
}

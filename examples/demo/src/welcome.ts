export interface Running {
  readonly siteKey: string
  /** of a user of acme; `undefined` when the identity provider is yours */
  readonly token: string | undefined
  readonly database: string
  readonly key: string
}

/** What `pnpm start` says: what is running, and commands to try. */
export function welcome(port: number, { siteKey, token, database, key }: Running): string {
  const url = `http://127.0.0.1:${port}`
  const site = `-H 'Authorization: Bearer ${siteKey}'`
  const as = (client: string) => `${site} -H 'X-Client-Key: ${client}'`
  const json = `-H 'Content-Type: application/json'`
  const withToken =
    token === undefined
      ? ''
      : `
A user of acme, by a token (it claims acme; no header needed, and no other one accepted):
  curl -s ${url}/notes -H 'Authorization: Bearer ${token}'
  curl -s ${url}/notes -H 'Authorization: Bearer ${token}' -H 'X-Client-Key: globex'`
  return `
Site back end: ${url}   clients: acme, globex
database:      ${database}
settings key:  ${key}

Write as acme, for everybody to read; the site's server names the client:
  curl -s ${url}/notes ${as('acme')} ${json} -d '{"body":"hello","published":true}'
Read as acme, then as globex (nothing there):
  curl -s ${url}/notes ${as('acme')}
  curl -s ${url}/notes ${as('globex')}
A visitor of acme's address, who proves nothing, and the same without an address of a client:
  curl -s http://acme.localhost:${port}/public/notes
  curl -s ${url}/public/notes${withToken}
A new client, and its first look:
  curl -s -X PUT ${url}/clients/initech ${site}
  curl -s ${url}/notes ${as('initech')}
Store acme's SMTP password, sealed; lists mask it:
  curl -s -X PUT ${url}/settings/smtp.password ${as('acme')} ${json} -d '{"value":"correct horse"}'
  curl -s ${url}/settings ${as('acme')}
Refused: the header without the key, two clients in one request, a client that is not there (in Portuguese):
  curl -s ${url}/notes -H 'X-Client-Key: acme'
  curl -s http://globex.localhost:${port}/notes ${as('acme')}
  curl -s ${url}/notes ${as('umbrella')} -H 'Accept-Language: pt'

Ctrl-C ends it.`
}

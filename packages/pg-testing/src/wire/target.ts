export interface Target {
  readonly host: string
  readonly port: number
  /** The same URL, pointing at this port of the loopback interface. */
  readonly urlThrough: (port: number) => string
}

/** The proxy listens here only: it is not meant to be reached from elsewhere. */
export const LISTEN_HOST = '127.0.0.1'

const POSTGRES_PORT = 5432
/** Drivers prefer these parameters to the URL's host, which would bypass the proxy. */
const BYPASSING = ['host', 'hostaddr', 'port'] as const

/** Reads `host:port` or a `postgres://` URL. */
export function parseTarget(target: string): Target {
  const hasScheme = /^postgres(ql)?:\/\//.test(target)
  const text = hasScheme ? target : `postgres://${target}`
  if (!URL.canParse(text))
    throw new TypeError('the wire proxy needs host:port or a postgres:// URL as target')
  const url = new URL(text)
  if (url.hostname === '') throw new TypeError('the target of a wire proxy needs a host')
  for (const name of BYPASSING) {
    if (url.searchParams.has(name))
      throw new TypeError(`the target's parameter ${name} would bypass the proxy`)
  }
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'), // an IPv6 address without its URL brackets
    port: url.port === '' ? POSTGRES_PORT : Number(url.port),
    urlThrough(port) {
      const through = new URL(url)
      through.hostname = LISTEN_HOST
      through.port = String(port)
      return through.href
    },
  }
}

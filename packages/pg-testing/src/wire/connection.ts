import type { Socket } from 'node:net'
import type { DelayLine } from './delay-line.ts'
import { FrameParser } from './frame-parser.ts'
import { Lane, type LaneEvents } from './lane.ts'
import { RoundTripCounter } from './round-trip-counter.ts'
import type { WireMessage, WireProxyOptions, WireSide } from './types.ts'

export interface ConnectionEvents {
  message(message: WireMessage): ReturnType<NonNullable<WireProxyOptions['onMessage']>>
  roundTrip(): void
  failed(error: unknown): void
  closed(): void
}

export interface ConnectionSetup {
  readonly number: number
  readonly client: Socket
  readonly server: Socket
  readonly line: DelayLine
  /** Whether anybody reads the messages' texts. */
  readonly withText: boolean
  readonly events: ConnectionEvents
}

/** `lingering`: the client is cut off, the server finishes what it has. `cut`: both are going. */
type State = 'open' | 'lingering' | 'black-hole' | 'cut'

/** A client, the server behind, a lane in each direction, and what can go wrong between them. */
export class Connection {
  readonly #setup: ConnectionSetup
  readonly #trips: RoundTripCounter
  readonly #parsers: Readonly<Record<WireSide, FrameParser>>
  readonly #lanes: Readonly<Record<WireSide, Lane>>
  #state: State = 'open'

  constructor(setup: ConnectionSetup) {
    const { client, server, line, withText } = setup
    this.#setup = setup
    this.#trips = new RoundTripCounter(setup.events.roundTrip)
    this.#parsers = {
      frontend: new FrameParser('frontend', withText),
      backend: new FrameParser('backend', withText),
    }
    this.#lanes = {
      frontend: new Lane(client, server, this.#parsers.frontend, line, this.#frontendEvents()),
      backend: new Lane(server, client, this.#parsers.backend, line, this.#backendEvents()),
    }
    for (const socket of [client, server]) {
      // What an error means for the other side follows from 'close', which comes after it.
      socket.on('error', () => {})
      socket.on('close', () => {
        if (client.closed && server.closed) setup.events.closed()
      })
    }
    // The server never half-closes in earnest: once it ends, nobody reads what the client sends.
    server.on('end', () => server.end())
  }

  /** As a network failure: both sides get a RST, whatever is on its way is lost. */
  reset(): void {
    this.#enter('cut')
    for (const socket of [this.#setup.client, this.#setup.server]) {
      if (socket.connecting) socket.destroy()
      else socket.resetAndDestroy()
    }
  }

  #enter(state: State): void {
    this.#state = state
    this.#trips.abandon()
    this.#lanes.frontend.stop()
    // A lingering server is still read, so that it can finish.
    if (state !== 'lingering') this.#lanes.backend.stop()
  }

  #shared(from: WireSide): Pick<LaneEvents, 'parsed' | 'decide' | 'finished' | 'blackHole' | 'failed'> {
    const { number, client, server, events } = this.#setup
    const sink = from === 'frontend' ? server : client
    return {
      parsed: () => this.#stopParsingTogether(),
      decide: (message) => events.message({ connection: number, from, ...message }),
      finished: (how) => {
        if (this.#state !== 'open') return
        if (how === 'end') sink.end()
        else sink.destroySoon()
      },
      blackHole: () => this.#enter('black-hole'),
      failed: (error) => {
        events.failed(error)
        this.reset()
      },
    }
  }

  #frontendEvents(): LaneEvents {
    const { client, server } = this.#setup
    return {
      ...this.#shared('frontend'),
      caughtUp: () => {
        // Part of a message's head is held back: its bytes have arrived all the same.
        if (this.#parsers.frontend.holdsBytes) this.#trips.begins()
      },
      sending: ({ message, opens, closes }) => {
        if (message === undefined) return
        const asksForReply = message.type === 'SSLRequest' || message.type === 'GSSENCRequest'
        if (asksForReply && closes) this.#parsers.backend.expectReply()
        this.#trips.sent(message.type, opens, closes)
      },
      delivering: () => {},
      cut: (when) => {
        this.#enter(when === 'cut-after' ? 'lingering' : 'cut')
        client.destroy()
        if (when === 'cut-after') this.#endServerWhenIdle()
        else server.destroySoon()
      },
    }
  }

  #backendEvents(): LaneEvents {
    const { client, server } = this.#setup
    return {
      ...this.#shared('backend'),
      caughtUp: () => {},
      sending: () => {},
      delivering: (types) => {
        for (const type of types) this.#trips.answered(type)
        if (this.#state === 'lingering') this.#endServerWhenIdle()
      },
      cut: () => {
        this.#enter('cut')
        server.destroy()
        client.destroySoon()
      },
    }
  }

  /** Hanging up earlier could abort a statement (client_connection_check_interval). */
  #endServerWhenIdle(): void {
    if (!this.#trips.serverBusy) this.#setup.server.end()
  }

  /** TLS, and what is not this protocol, is opaque in both directions or in none. */
  #stopParsingTogether(): void {
    const { frontend, backend } = this.#parsers
    if (!frontend.opaque && !backend.opaque) return
    frontend.stopParsing()
    backend.stopParsing()
  }
}

/** A carriage return alone ends a line only where nothing else does, as on old Macs; beside line feeds it is data. */
export function withLineFeeds(text: string): string {
  return text.includes('\n') ? text : text.replaceAll('\r', '\n')
}

/** How the same text may have been written: line ends, a byte order mark, a line end more or less at its end. */
export function spellingsOf(text: string): string[] {
  const trimmed = text.trimEnd()
  return [text, trimmed, `${trimmed}\n`].flatMap((one) => {
    const windows = one.replaceAll('\n', '\r\n')
    return [one, windows, MARK + one, MARK + windows, one.replaceAll('\n', '\r')]
  })
}

const MARK = '\ufeff'

/** One element of the page. Text goes in by `textContent` only: nothing a tenant wrote is ever markup. */
export const $ = (selector, root = document) => root.querySelector(selector)

/** An element with a text. */
export function element(name, text, className = '') {
  const made = document.createElement(name)
  made.textContent = text
  made.className = className
  return made
}

/** A button that does something, and says what went wrong. */
export function button(text, label, work) {
  const made = element('button', text)
  made.type = 'button'
  made.setAttribute('aria-label', label)
  made.addEventListener('click', () => guarded(made, work))
  return made
}

export function option(value, text) {
  const made = element('option', text)
  made.value = value
  return made
}

/** Says something to everybody, screen readers included. */
export function say(text, isError = false) {
  const message = $('#message')
  message.textContent = text
  message.classList.toggle('error', isError)
}

/** Runs `work` when the form is sent; a second time waits for the first, and what goes wrong is said. */
export function onSubmit(form, work) {
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    void guarded($('button[type=submit]', form), () => work(Object.fromEntries(new FormData(form))))
  })
}

/** Not `disabled`: a button that is takes no focus, and who uses the keyboard would have to begin at the top again. */
export async function guarded(pressed, work) {
  if (pressed.ariaBusy === 'true') return
  pressed.ariaBusy = 'true'
  say('')
  try {
    await work()
  } catch (error) {
    say(inWords(error), true)
  } finally {
    pressed.ariaBusy = null
  }
}

export function inWords(error) {
  const { field, reason, expected, action } = error.details ?? {}
  const more = [field, reason, expected, action].filter(Boolean).join(', ')
  return more ? `${error.message} (${more})` : error.message
}

/** A dialog that is on the page only while it is open. */
export function dialogOf(template) {
  const dialog = $(template).content.cloneNode(true).firstElementChild
  document.body.append(dialog)
  dialog.addEventListener('close', () => dialog.remove())
  return dialog
}

/** Shows a dialog. What was filled in, or `undefined` when it was cancelled; the focus goes back to where it was. */
export async function fillIn(dialog) {
  const from = document.activeElement
  const form = $('form', dialog)
  form.reset()
  dialog.returnValue = ''
  $('.cancel', dialog)?.addEventListener('click', () => dialog.close(), { once: true })
  dialog.showModal()
  await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }))
  from?.focus()
  return dialog.returnValue === 'done' ? Object.fromEntries(new FormData(form)) : undefined
}

/** A part of the page that shows something, or says why it cannot, without a word about the others. */
export async function shows(place, load) {
  place.replaceChildren(element('p', 'Loading …', 'quiet'))
  try {
    place.replaceChildren(...(await load()))
  } catch (error) {
    place.replaceChildren(element('p', inWords(error), 'error'))
  }
}

/** A table; on a narrow screen each row is a card whose cells say which they are. */
export function table(caption, columns, rows) {
  const made = document.createElement('table')
  const head = made.createTHead().insertRow()
  made.prepend(element('caption', caption))
  for (const column of columns) {
    const cell = element('th', column)
    cell.scope = 'col'
    head.append(cell)
  }
  const body = made.createTBody()
  for (const cells of rows) {
    const row = body.insertRow()
    for (const [index, cell] of cells.entries()) {
      const place = row.insertCell()
      place.dataset.label = columns[index]
      place.append(...breakable(cell))
    }
  }
  return made
}

/** A dotted name breaks behind its dots, not within its words. */
function breakable(cell) {
  if (typeof cell !== 'string') return [cell]
  const [first, ...others] = cell.split(/(?<=\.)(?=[a-z])/)
  return [first, ...others.flatMap((part) => [document.createElement('wbr'), part])]
}

export function bytes(count) {
  if (count === null || count === undefined) return '–'
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3))
  return `${(count / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}

/** A moment as whoever looks reads it. */
export const moment = (text) => (text ? new Date(text).toLocaleString() : '–')

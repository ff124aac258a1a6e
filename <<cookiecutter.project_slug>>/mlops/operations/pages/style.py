"""What all pages share: their colours, light and dark, and the marks that say good, bad or not known."""

from __future__ import annotations

from typing import Literal

from mlops.training import pages

# open: not known, and so never told as good; note: neither good nor bad.
Level = Literal["good", "bad", "open", "note"]
# A sign beside each word: colour is never the only one.
SIGNS: dict[Level, str] = {"good": "✓", "bad": "✗", "open": "?", "note": "•"}

STYLE = pages.STYLE + """\
:root { --good: #17692c; --bad: #b3261e; --open: #8a4b00; --note: #4a5765; --band: #2563eb2e; --rest: #cbd2d9 }
@media (prefers-color-scheme: dark) {
  :root { --good: #79d796; --bad: #ff9a90; --open: #f2b866; --note: #b3bdc8; --band: #7aa7ff33; --rest: #4b5866 }
}
* { box-sizing: border-box }
body { overflow-wrap: break-word } body.broad { max-width: 96rem }
h2 { border-top: 1px solid var(--line); padding-top: 1.5rem } h3 { font-size: 1rem; margin: 1.5rem 0 .5rem }
.verdict { font-size: 1.25rem; line-height: 1.4; margin: .5rem 0; padding: .8rem 1rem; background: var(--soft); border-left: .35rem solid var(--note); border-radius: .3rem; max-width: none }
p.verdict .mark { color: var(--ink) } .verdict.good .sign { color: var(--good) } .verdict.bad .sign { color: var(--bad) } .verdict.open .sign { color: var(--open) }
.verdict.good { border-color: var(--good) } .verdict.bad { border-color: var(--bad) } .verdict.open { border-color: var(--open) }
.mark { font-weight: 600; color: var(--note) } .mark.good { color: var(--good) } .mark.bad { color: var(--bad) } .mark.open { color: var(--open) }
.sign { display: inline-block; min-width: 1.1em }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(13rem, 100%), 1fr)); gap: .75rem; padding: 0; margin: 1.25rem 0; list-style: none }
.tiles li { background: var(--soft); border-radius: .5rem; padding: .7rem .9rem; border-top: .2rem solid var(--note) }
.tiles .good { border-top-color: var(--good) } .tiles .bad { border-top-color: var(--bad) } .tiles .open { border-top-color: var(--open) }
.tiles b { display: block; color: var(--ink) } .tiles .quiet, .small { font-size: .875rem }
.findings { padding: 0; list-style: none; margin: .5rem 0 }
.findings li { display: grid; grid-template-columns: minmax(8rem, 16rem) minmax(10rem, 15rem) 1fr; gap: .25rem 1.25rem; padding: .6rem 0; border-bottom: 1px solid var(--line); align-items: start }
.findings .name { font-weight: 600; overflow-wrap: anywhere } .findings .mark { display: block; font-size: .875rem }
.findings p { margin: 0; max-width: none }
.reasons { padding-left: 1.2rem; max-width: 56rem } .reasons li { margin: .2rem 0 }
td, th { overflow-wrap: anywhere } th[scope=row] { color: var(--ink); white-space: normal } td.why { min-width: 14rem } .flow th[scope=row] { min-width: 9rem } .flow td[data-label=bound] { min-width: 9rem } .flow .mark { white-space: nowrap }
summary { cursor: pointer; margin: .75rem 0; color: var(--accent) } :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
svg { display: block; width: 100%; height: auto } svg text { fill: var(--quiet); font: 11px system-ui, sans-serif }
.bar { max-width: 18rem } .strip { max-width: 23rem } .whisker { max-width: 10rem; min-width: 7rem }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: 1.25rem } .charts figure { margin: 0 } figcaption { font-weight: 600; margin-bottom: .25rem }
.cards { display: grid; align-items: start; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); gap: 1.25rem; margin: 1.5rem 0 }
.cards section { border: 1px solid var(--line); border-top: .3rem solid var(--note); border-radius: .5rem; padding: 1rem 1.1rem; min-width: 0 }
.cards .good { border-top-color: var(--good) } .cards .bad { border-top-color: var(--bad) } .cards .open { border-top-color: var(--open) }
.events { margin: 1rem 0 .25rem } .cards h2 { border: 0; padding: 0; margin: 0 0 .25rem; font-size: 1.3rem }
dl { display: grid; grid-template-columns: 7.5rem 1fr; gap: .45rem .9rem; margin: .9rem 0 0 } dt { color: var(--quiet); font-weight: 600 } dd { margin: 0; min-width: 0; overflow-wrap: anywhere } dd ul { margin: 0; padding-left: 1.1rem } dd p { margin: 0 }
.moments { list-style: none; padding: 0; margin: 0 } .moments li { display: grid; grid-template-columns: 4.5rem 5rem 10rem 1fr; gap: .1rem .8rem; padding: .35rem 0; border-bottom: 1px solid var(--line) } .moments p { margin: 0; max-width: none; overflow-wrap: anywhere }
@media (max-width: 44rem) {
  body { padding: 1.25rem .9rem 3rem } .cards section { padding: .8rem } dl { grid-template-columns: 6.2rem 1fr; gap: .4rem .6rem } dt { font-size: .9rem } .verdict { font-size: 1.1rem }
  .findings li { grid-template-columns: 1fr } .moments li { grid-template-columns: 4.5rem 1fr } .moments .what, .moments p { grid-column: 1 / -1 }
  .flow, .flow tbody, .flow tr, .flow td, .flow th[scope=row] { display: block; width: 100% } .flow thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden }
  .flow tr { padding: .5rem 0; border-bottom: 1px solid var(--line) } .flow td, .flow th[scope=row] { border: 0; min-width: 0; padding: .1rem 0; text-align: left } .flow td:empty { display: none }
  .flow td[data-label]::before { content: attr(data-label) ": "; color: var(--quiet); font-weight: 600 } .flow td.why { min-width: 0 } .flow .whisker { max-width: 16rem }
}
@media print { details > * { display: revert } body { padding: 0 } }
@media (prefers-reduced-motion: no-preference) { summary { transition: color .1s } }
"""

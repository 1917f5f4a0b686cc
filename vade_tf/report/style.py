"""The look of the report as a style sheet: dark on white, one column on a phone, cards side by side where they fit."""

STYLE = """
:root { color-scheme: light; }
body { max-width: 58rem; margin: 0 auto; padding: 1rem; background: #fff; color: #222;
       font: 16px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: .5rem 0 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; overflow-wrap: normal; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #e4e4de; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.note, p.note, figcaption { color: #555; font-size: .85rem; }
p.note, figcaption { max-width: 44rem; }
figure { margin: 0 0 1.8rem; }
img { max-width: 100%; height: auto; border: 1px solid #e4e4de; }
pre { white-space: pre-wrap; background: #f4f4f0; padding: .6rem .8rem; font-size: .85rem; }

.health { border-left: .35rem solid; border-radius: .25rem; padding: .6rem .9rem; margin: 1rem 0; }
.health.good { border-color: #2e7d4f; background: #eef6f0; }
.health.bad { border-color: #b3261e; background: #fdf1ef; }
.health.unknown { border-color: #8a8a84; background: #f4f4f0; }
.health p { margin: 0; }
.health ul { margin: .3rem 0 0; padding-left: 1.2rem; }
.health p + p, .health ul + p { margin-top: .5rem; }

.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 25rem), 1fr)); gap: 1rem;
         align-items: start; }
.card { border: 1px solid #deded8; border-top: .35rem solid; border-radius: .35rem; padding: .8rem 1rem;
        min-width: 0; }
.card h3 { display: flex; align-items: center; gap: .6rem; margin: 0; font-size: 1.05rem; }
.card h4 { font-size: .85rem; margin: .9rem 0 .1rem; }
.card p.facts { margin: .25rem 0 0; color: #555; font-size: .85rem; }
.card table { font-size: .85rem; margin-top: .6rem; }
.card td, .card th { padding: .15rem .6rem .15rem 0; border: 0; vertical-align: middle; }
.card th { color: #555; font-weight: normal; white-space: nowrap; }
.card td:last-child, .card th:last-child { padding-right: 0; }
.card td.name { overflow-wrap: anywhere; width: 99%; min-width: 6.5rem; }
.chip { display: inline-block; min-width: 1.1em; padding: 0 .35em; border-radius: .3em; text-align: center;
        font-weight: 600; line-height: 1.35; }
.bar { position: relative; width: 4.5rem; height: .7rem;
       background: linear-gradient(#888, #888) center / 1px 100% no-repeat; }
.bar i { position: absolute; top: 0; bottom: 0; }
ul.rows { list-style: none; margin: 0; padding: 0; font-size: .85rem; }
.rows li { padding: .15rem 0; }
.rows .values { display: block; color: #555; line-height: 1.35; }
.values span { color: #222; }
@media (max-width: 30rem) { .bar { width: 3.2rem; } .card .effect { display: none; } }
.pair { display: flex; flex-wrap: wrap; column-gap: .8rem; }
.strip { margin: .4rem 0 .2rem; }
.strip img { image-rendering: pixelated; border: 0; display: block; }
"""

/** The style of the status page: light and dark, from a telephone to a wide screen. Data only. */

/** CSS text; it holds no `</style`. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --back: #f5f6f8; --panel: #ffffff; --line: #dfe3e8; --grid: #eceff2;
  --text: #16202c; --soft: #5b6876;
  --out: #2563eb; --in: #b45309;
  --up: #15803d; --plain: #a16207; --silent: #c2410c; --down: #b91c1c;
  --alarm: #fef2f2;
  font: 15px/1.45 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #0e1319; --panel: #161d26; --line: #2a3441; --grid: #212a35;
    --text: #e6ebf1; --soft: #93a1b1;
    --out: #60a5fa; --in: #f0a93b;
    --up: #4ade80; --plain: #facc15; --silent: #fb923c; --down: #f87171;
    --alarm: #2b1518;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); }
header, main, footer { max-width: 1200px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 22px; display: flex; flex-wrap: wrap; gap: 8px 32px;
  align-items: baseline; justify-content: space-between; }
.title { display: flex; align-items: baseline; gap: 10px; flex-wrap: wrap; }
h1 { font-size: 24px; line-height: 1.2; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 15px; margin: 0 0 10px; display: flex; justify-content: space-between; }
p { margin: 0; }
#summary { color: var(--soft); }
.dot { width: 11px; height: 11px; border-radius: 50%; background: var(--soft); align-self: center; }
.dot.good { background: var(--up); }
.dot.bad { background: var(--down); }
.facts { display: flex; flex-wrap: wrap; gap: 4px 22px; margin: 0; }
.facts div { display: flex; gap: 6px; }
dt { color: var(--soft); }
dd { margin: 0; }
main { display: grid; gap: 20px; padding-top: 18px; padding-bottom: 8px; }
main > * { min-width: 0; }
.alarm { background: var(--alarm); color: var(--down); border: 1px solid currentColor;
  border-radius: 10px; padding: 10px 14px; }
.panel, .tile, .card { background: var(--panel); border: 1px solid var(--line); border-radius: 12px; }
.panel { padding: 14px 16px; }
.tiles { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); }
.tile { padding: 12px 16px; }
.tile b { display: block; font-size: 24px; line-height: 1.25; font-weight: 600;
  font-variant-numeric: tabular-nums; letter-spacing: -.01em; white-space: nowrap; }
.tile span { color: var(--soft); font-size: 13px; }
.tile.out b { color: var(--out); }
.tile.in b { color: var(--in); }
.legend { font-weight: 400; font-size: 13px; color: var(--soft); }
.legend i { display: inline-block; width: 14px; height: 3px; border-radius: 2px; margin: 0 4px 3px 12px; }
.legend i.out { background: var(--out); }
.legend i.in { background: var(--in); }
#topology { display: block; width: 100%; height: auto; max-height: 420px; }
#topology text { fill: var(--text); font-size: 14px; text-anchor: middle; }
#topology text.sub { fill: var(--soft); font-size: 12px; }
#topology .base { stroke: var(--line); stroke-width: 1.5; fill: none; }
#topology .base.plain { stroke: var(--plain); stroke-dasharray: 2 5; }
#topology .base.silent { stroke: var(--silent); stroke-dasharray: 5 6; }
#topology .base.down { stroke: var(--down); stroke-dasharray: 5 6; }
#topology .flow { fill: none; stroke-linecap: round; stroke-dasharray: 1 11;
  animation: flow 1s linear infinite; }
#topology .flow.out { stroke: var(--out); }
#topology .flow.in { stroke: var(--in); animation-direction: reverse; }
@keyframes flow { to { stroke-dashoffset: -24; } }
@media (prefers-reduced-motion: reduce) { #topology .flow { animation: none; } }
#topology .disc { fill: var(--panel); stroke-width: 2.5; stroke: var(--soft); }
#topology .disc.self { fill: var(--text); stroke: var(--text); }
#topology text.self { fill: var(--panel); font-weight: 600; }
#topology .disc.up { stroke: var(--up); }
#topology .disc.plain { stroke: var(--plain); }
#topology .disc.silent { stroke: var(--silent); }
#topology .disc.down { stroke: var(--down); }
.cards { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 350px), 1fr)); }
.card { padding: 14px 16px; display: flex; flex-direction: column; gap: 8px; min-width: 0; }
.card h3 { font-size: 16px; margin: 0; display: flex; gap: 8px; align-items: center; min-width: 0; }
.card h3 > span:first-child { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.state { font-size: 12px; font-weight: 600; padding: 1px 8px; border-radius: 99px;
  border: 1px solid currentColor; }
.state.up { color: var(--up); }
.state.plain { color: var(--plain); }
.state.silent { color: var(--silent); }
.state.down { color: var(--down); }
.since { margin-left: auto; font-weight: 400; font-size: 13px; color: var(--soft); white-space: nowrap; }
.why { font-size: 13px; color: var(--silent); }
.why.plain { color: var(--plain); }
.why.down { color: var(--down); }
.why:empty { display: none; }
.rates { display: flex; gap: 18px; font-variant-numeric: tabular-nums; }
.rates span { color: var(--soft); font-size: 13px; }
.rates b { font-weight: 600; }
.rates .out b { color: var(--out); }
.rates .in b { color: var(--in); }
.chart { position: relative; height: 92px; }
.chart svg { width: 100%; height: 100%; display: block; overflow: visible; }
.chart .grid { stroke: var(--grid); stroke-width: 1; vector-effect: non-scaling-stroke; }
.chart path { vector-effect: non-scaling-stroke; stroke-width: 1.75; fill: none; stroke-linejoin: round; }
.chart path.out { stroke: var(--out); }
.chart path.in { stroke: var(--in); }
.chart path.fill { stroke: none; opacity: .13; }
.chart path.fill.out { fill: var(--out); }
.chart path.fill.in { fill: var(--in); }
.chart .cursor { stroke: var(--soft); vector-effect: non-scaling-stroke; stroke-dasharray: 2 3; }
.chart .top, .chart .when { position: absolute; font-size: 11px; color: var(--soft);
  pointer-events: none; background: var(--panel); padding: 0 3px; border-radius: 3px; }
.chart .top { top: -3px; left: 0; }
.chart .when { bottom: 2px; right: 0; }
.card dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(96px, 1fr)); gap: 4px 14px; margin: 0; font-size: 13px; }
.card dd { font-variant-numeric: tabular-nums; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.card .wide { grid-column: 1 / -1; display: flex; gap: 8px; }
.none { color: var(--soft); }
table { width: 100%; border-collapse: collapse; font-size: 14px; }
th { text-align: left; font-weight: 400; color: var(--soft); font-size: 13px; }
td, th { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--grid); }
tr:last-child td { border-bottom: 0; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; padding-right: 0; }
td.bar { width: 34%; }
td.bar i { display: block; height: 8px; border-radius: 4px; background: var(--down); opacity: .75; }
footer { padding-top: 6px; padding-bottom: 28px; display: flex; gap: 18px; font-size: 13px; }
footer a { color: var(--soft); }
a:focus-visible { outline: 2px solid var(--out); outline-offset: 2px; }
`;

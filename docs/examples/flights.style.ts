/** The page's look: a paper and an ink, two colours for the data, and system type, so that nothing is fetched. */
export const STYLE = `
:root{color-scheme:light dark;--paper:#faf8f4;--card:#fff;--ink:#1d2023;--soft:#5a6168;--rule:#ddd8cf;--mean:#1b6a8a;
--p95:#bf4d2c;--arrive:#6aa6bd;--column:#d5cfc3;--bad:#b3362b;--serif:Charter,"Bitstream Charter","Iowan Old Style",
"Palatino Linotype",Georgia,serif;--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
@media(prefers-color-scheme:dark){:root{--paper:#15181b;--card:#1d2125;--ink:#eceae5;--soft:#a8b0b7;--rule:#363c42;
--mean:#6fb9d6;--p95:#f0906c;--arrive:#3d7690;--column:#3d444b;--bad:#f08a7d}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:17px/1.55 var(--serif);-webkit-text-size-adjust:100%}
main{max-width:1144px;margin:0 auto;padding:clamp(28px,6vw,72px) clamp(16px,4vw,32px) 48px}
h1,h2,p,dl,dd,ol,figure{margin:0;padding:0}
h1{font-size:clamp(2.1rem,5.4vw,3.5rem);line-height:1.08;letter-spacing:-.018em;font-weight:700;text-wrap:balance;max-width:20ch}
h2{font-size:clamp(1.45rem,2.6vw,1.85rem);line-height:1.2;letter-spacing:-.008em;text-wrap:balance}
.kicker{font:600 13px/1.4 var(--sans);letter-spacing:.07em;text-transform:uppercase;color:var(--mean);margin-bottom:14px}
.lead{font-size:clamp(1.1rem,1.9vw,1.3rem);line-height:1.5;color:var(--soft);max-width:62ch;margin-top:18px;text-wrap:pretty}
.lead b{color:var(--ink);font-weight:600}
section{margin-top:clamp(52px,7vw,84px)}
section>p{color:var(--soft);max-width:66ch;margin-top:8px;text-wrap:pretty}
.figures{display:grid;grid-template-columns:repeat(4,1fr);margin-top:clamp(32px,4.5vw,52px);border-top:2px solid var(--ink)}
.figures>div{padding:16px 20px 4px 0;display:flex;flex-direction:column}
.figures>div+div{padding-left:20px;border-left:1px solid var(--rule)}
.figures dt{order:2;font:14px/1.4 var(--sans);color:var(--soft);margin-top:4px}
.figures dd{font-size:clamp(1.7rem,3.3vw,2.5rem);line-height:1.1;letter-spacing:-.015em;font-weight:700}
.figures dd small{font-size:.48em;letter-spacing:0;font-weight:400;color:var(--soft)}
figure{margin-top:24px}
svg{display:block;max-width:100%;height:auto}
figcaption,.note{font:13.5px/1.5 var(--sans);color:var(--soft);margin-top:14px;max-width:76ch}
.keys{display:flex;flex-wrap:wrap;gap:4px 20px;font:13.5px/1.5 var(--sans);color:var(--soft);margin:18px 0 10px;list-style:none;padding:0}
.chart .narrow{display:none}
.keys i{display:inline-block;width:12px;height:12px;border-radius:2px;margin-right:7px;vertical-align:-1px}
.keys i.of-mean{background:var(--mean)}.keys i.of-p95{background:var(--p95)}.keys i.of-arrive{background:var(--arrive)}
.chart text{font-family:var(--sans);font-variant-numeric:tabular-nums}
.tick,.small{font-size:12px;fill:var(--soft)}
.grid{stroke:var(--rule);stroke-width:1}.zero{stroke:var(--soft);stroke-width:1}
.column{fill:var(--column)}
.line path{fill:none;stroke:currentColor;stroke-width:2.25;stroke-linejoin:round;stroke-linecap:round}
.line .dashed{stroke-width:1.5;stroke-dasharray:1 5}
.line{color:var(--mean);pointer-events:none}.line.p95{color:var(--p95)}
.dot{fill:currentColor}.dot.hollow{fill:var(--paper);stroke:currentColor;stroke-width:1.5}
.sense{fill:transparent}.ruler{stroke:var(--soft);stroke-width:1;opacity:0}.spot:hover .ruler{opacity:.55}
.name{font-size:14px;font-weight:600;fill:var(--mean)}.name.p95{fill:var(--p95)}
.name tspan{font-size:12px;font-weight:400;fill:var(--soft)}
.bars{list-style:none;font:14px/1.35 var(--sans);margin-top:4px}
.bars li{display:grid;grid-template-columns:22px minmax(0,390px) minmax(0,1fr) 76px;gap:0 14px;align-items:center;padding:7px 0;
border-top:1px solid var(--rule)}
.bars li:first-child{border-top:0}
.bars .rank{color:var(--soft);text-align:right;font-variant-numeric:tabular-nums}
.bars .who b{font-weight:650}.bars .who span{color:var(--soft);display:inline-block}
.bars .who{overflow-wrap:anywhere}
.bars .sum{text-align:right;font-variant-numeric:tabular-nums;font-weight:600}
.bar{display:flex;height:16px}
.bar i{display:block;background:var(--mean);min-width:1px}.bar i+i{background:var(--arrive)}
.bar i:first-child{border-radius:2px 0 0 2px}.bar i:last-child{border-radius:0 2px 2px 0}
.run{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:clamp(16px,2.6vw,28px);margin-top:22px}
.run figure{margin-top:0}
svg.dag{--dag-paper:var(--card);margin:0 auto}
h3{font:600 14px/1.4 var(--sans);margin:clamp(22px,3vw,32px) 0 6px;padding-top:clamp(18px,2.4vw,26px);border-top:1px solid var(--rule)}
.gantt{list-style:none;padding:0;font:13px/1.3 var(--sans);position:relative}
.gantt li{display:grid;grid-template-columns:minmax(88px,150px) minmax(0,1fr) 84px;gap:0 12px;align-items:center;padding:4px 0}
.gantt .id{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.gantt .took{text-align:right;color:var(--soft);font-variant-numeric:tabular-nums;white-space:nowrap}
.track{position:relative;height:16px;background:linear-gradient(var(--rule),var(--rule)) left center/100% 1px no-repeat}
.track i{position:absolute;top:2px;height:12px;min-width:3px;border-radius:2px;background:var(--mean)}
.track i.cached{top:4px;width:8px;height:8px;min-width:0;margin-left:-4px;border-radius:1px;rotate:45deg;background:var(--card);border:2px solid var(--mean)}
.track i.failed,.track i.cancelled{background:var(--bad)}
.gantt .scale{color:var(--soft);font-size:12px;padding-top:6px}
.gantt .scale span:nth-child(2){display:flex;justify-content:space-between}
details{font:14px/1.5 var(--sans);margin-top:16px}
summary{cursor:pointer;color:var(--mean);font-weight:600;width:max-content;max-width:100%;padding:6px 0}
summary:focus-visible{outline:2px solid var(--mean);outline-offset:3px;border-radius:2px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;margin-top:6px;font-variant-numeric:tabular-nums;width:100%;max-width:900px}
th,td{padding:5px 16px 5px 0;border-bottom:1px solid var(--rule);vertical-align:top;text-align:left}
th{font-weight:600;color:var(--soft)}td.n,th.n{text-align:right;white-space:nowrap}
.problem{border-left:4px solid var(--bad);padding:4px 0 4px 16px;margin-top:24px;font-family:var(--sans);color:var(--ink);overflow-wrap:anywhere}
footer{margin-top:64px;padding-top:16px;border-top:1px solid var(--rule);font:13px/1.5 var(--sans);color:var(--soft);overflow-wrap:anywhere}
@media(max-width:1100px){.across{display:none}.down{display:block}}
@media(min-width:1101px){.down{display:none}}
@media(max-width:760px){.chart .wide{display:none}.chart .narrow{display:block}.chart .keys.narrow{display:flex}
.figures{grid-template-columns:1fr 1fr}.figures>div{padding-bottom:14px}.figures>div:nth-child(odd){padding-left:0;border-left:0}
.figures>div:nth-child(n+3){border-top:1px solid var(--rule)}
.bars li{grid-template-columns:20px minmax(0,1fr) auto;gap:3px 10px;padding:9px 0}
.bars .bar{grid-column:2/-1;grid-row:2;height:12px}.bars .sum{grid-column:3;grid-row:1}
th,td{padding-right:8px;font-size:12.5px}td:not(.n),th[scope=row]{overflow-wrap:anywhere;min-width:4.6em}
.gantt li{grid-template-columns:88px minmax(0,1fr) 70px;gap:0 8px}}
@media print{:root{--paper:#fff}body{font-size:12pt}section,li{break-inside:avoid}}
`;

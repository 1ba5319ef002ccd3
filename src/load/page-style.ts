/** The page's look: a paper and an ink, four colours for the data, and system type, so that nothing is fetched. */
export const STYLE = `
:root{color-scheme:light dark;--paper:#faf8f4;--ink:#1d2023;--soft:#5a6168;--rule:#ddd8cf;--completed:#bf4d2c;
--acknowledged:#1b6a8a;--service:#7a6bb0;--lag:#8a8f94;--offered:#8a8f94;--bad:#b3362b;--good:#2c7a5a;
--serif:Charter,"Bitstream Charter","Iowan Old Style","Palatino Linotype",Georgia,serif;
--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
@media(prefers-color-scheme:dark){:root{--paper:#15181b;--ink:#eceae5;--soft:#a8b0b7;--rule:#363c42;--completed:#f0906c;
--acknowledged:#6fb9d6;--service:#b3a6e6;--lag:#8b949c;--offered:#8b949c;--bad:#f08a7d;--good:#5fbf95}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:17px/1.55 var(--serif);-webkit-text-size-adjust:100%}
main{max-width:1144px;margin:0 auto;padding:clamp(28px,6vw,72px) clamp(16px,4vw,32px) 48px}
h1,h2,h3,p,dl,dd,figure,ul{margin:0;padding:0}
h1{font-size:clamp(2rem,5vw,3.2rem);line-height:1.1;letter-spacing:-.018em;text-wrap:balance}
h2{font-size:clamp(1.45rem,2.6vw,1.85rem);line-height:1.2;letter-spacing:-.008em}
h3{font:600 14px/1.4 var(--sans);margin-top:26px}
.kicker{font:600 13px/1.4 var(--sans);letter-spacing:.07em;text-transform:uppercase;color:var(--acknowledged);margin-bottom:14px}
.lead{font-size:clamp(1.1rem,1.9vw,1.3rem);line-height:1.5;color:var(--soft);max-width:62ch;margin-top:18px;text-wrap:pretty}
.lead b{color:var(--ink);font-weight:600}
section{margin-top:clamp(48px,6vw,76px)}
section>p{color:var(--soft);max-width:68ch;margin-top:8px;text-wrap:pretty}
.figures{display:grid;grid-template-columns:repeat(4,1fr);margin-top:clamp(28px,4vw,44px);border-top:2px solid var(--ink)}
.figures>div{padding:16px 20px 4px 0;display:flex;flex-direction:column}
.figures>div+div{padding-left:20px;border-left:1px solid var(--rule)}
.figures dt{order:2;font:14px/1.4 var(--sans);color:var(--soft);margin-top:4px}
.figures dd{font-size:clamp(1.6rem,3vw,2.3rem);line-height:1.1;letter-spacing:-.015em;font-weight:700}
figure{margin-top:22px}
svg{display:block;max-width:100%;height:auto;font-family:var(--sans);font-variant-numeric:tabular-nums}
.narrow{display:none}
.keys{display:flex;flex-wrap:wrap;gap:4px 20px;font:13.5px/1.5 var(--sans);color:var(--soft);margin:10px 0;list-style:none}
.keys i{display:inline-block;width:14px;height:4px;border-radius:2px;margin-right:7px;vertical-align:3px;background:currentColor}
.completed{color:var(--completed)}.acknowledged{color:var(--acknowledged)}.service{color:var(--service)}
.lag{color:var(--lag)}.offered{color:var(--offered)}.problem{color:var(--bad)}
.tick{font-size:12px;fill:var(--soft)}
.grid{stroke:var(--rule);stroke-width:1}.axis,.notch{stroke:var(--soft);stroke-width:1}
.line path{fill:none;stroke:currentColor;stroke-width:2.25;stroke-linejoin:round;stroke-linecap:round}
.line.offered path,.line.lag path{stroke-width:1.5;stroke-dasharray:4 4}
.dot{fill:currentColor}.dot.hollow{fill:var(--paper);stroke:currentColor;stroke-width:1.75}
.mark path{stroke:var(--ink);stroke-width:1;stroke-dasharray:2 3;fill:none}
.mark text{font-size:12px;font-weight:600;fill:var(--ink)}
.mark.bound path{stroke:var(--bad)}.mark.bound text{fill:var(--bad)}
.verdict{font-family:var(--sans);font-weight:600}.verdict.good{color:var(--good)}.verdict.bad{color:var(--bad)}
.note{border-left:4px solid var(--bad);padding:4px 0 4px 16px;margin-top:18px;font:15px/1.5 var(--sans);color:var(--ink)}
details{font:14px/1.5 var(--sans);margin-top:16px}
summary{cursor:pointer;color:var(--acknowledged);font-weight:600;width:max-content;max-width:100%;padding:6px 0}
summary:focus-visible{outline:2px solid var(--acknowledged);outline-offset:3px;border-radius:2px}
.scroll{overflow-x:auto;font:14px/1.5 var(--sans)}
table{border-collapse:collapse;margin-top:8px;font-variant-numeric:tabular-nums;min-width:min(100%,640px)}
th,td{padding:5px 18px 5px 0;border-bottom:1px solid var(--rule);vertical-align:top;text-align:left}
th{font-weight:600;color:var(--soft)}td.n,th.n{text-align:right;white-space:nowrap}
th[scope=row]{min-width:6.5em}td.text{min-width:15em;overflow-wrap:anywhere}
footer{margin-top:56px;padding-top:16px;border-top:1px solid var(--rule);font:13px/1.5 var(--sans);color:var(--soft);overflow-wrap:anywhere}
@media(max-width:760px){.wide{display:none}.narrow{display:block}
.figures{grid-template-columns:1fr 1fr}.figures>div{padding-bottom:14px}.figures>div:nth-child(odd){padding-left:0;border-left:0}
.figures>div:nth-child(n+3){border-top:1px solid var(--rule)}th,td{padding-right:10px;font-size:12.5px}}
@media print{:root{--paper:#fff}section{break-inside:avoid}}
`;

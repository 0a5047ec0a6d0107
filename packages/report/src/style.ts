const dark = `--ground:#111214;--sheet:#1a1c20;--ink:#ededea;--faint:#a9abb1;--line:#34373e;--mat:#08090a;
--good:#62d29b;--bad:#ff9a8f;--doubt:#f2bd62;--work:#8db8ff;--rest:#b0b3ba;--focus:#8db8ff;--calm:#16241d;--alarm:#2a1c16`;

/** One look by day, by night and on paper; no address in it leads anywhere. */
export const style = `
:root{color-scheme:light dark;--ground:#f5f4f0;--sheet:#fff;--ink:#1b1b19;--faint:#5d5b55;--line:#dcd9d0;--mat:#1b1c1f;
--good:#14713f;--bad:#b0271e;--doubt:#865400;--work:#2058bd;--rest:#5f6168;--focus:#2058bd;--calm:#edf6ef;--alarm:#fdf2e9;
font:100%/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
@media screen and (prefers-color-scheme:dark){:root{${dark}}}
*{box-sizing:border-box}
[hidden]{display:none!important}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0 auto;max-width:84rem;padding:clamp(1rem,4vw,2.75rem);background:var(--ground);color:var(--ink);overflow-wrap:anywhere}
h1,h2,h3,p,ul,ol,dl,dd,figure{margin:0;padding:0}
ul,ol{list-style:none}
h1{font-size:clamp(1.75rem,1.2rem + 2.6vw,3rem);line-height:1.12;letter-spacing:-.022em;font-weight:680;text-wrap:balance}
h2{font-size:1.0625rem;line-height:1.3;letter-spacing:-.005em;margin-bottom:.85rem;display:flex;align-items:center;gap:.5rem}
h3{font-size:1rem;line-height:1.35}
small,.note,caption,.hint{font-size:.8125rem;color:var(--faint);font-weight:400}
a{color:inherit;text-underline-offset:.15em;text-decoration-color:var(--faint)}
a:hover{text-decoration-color:currentColor}
code{font:.875em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
:focus-visible{outline:2px solid var(--focus);outline-offset:2px;border-radius:.25rem}
.icons{position:absolute}
.i{width:1em;height:1em;flex:none;fill:none;stroke:currentColor;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round;vertical-align:-.125em}
.hush{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.top{margin-bottom:clamp(1.25rem,3vw,2.25rem)}
.kind{color:var(--faint);font-size:.875rem;margin-bottom:.6rem}
.kind b{color:var(--ink);letter-spacing:-.01em}
.money{font-size:clamp(1.125rem,1rem + .8vw,1.5rem);color:var(--faint);margin-top:.45rem;font-variant-numeric:tabular-nums}
.about{margin-top:.75rem;font-weight:600}
.state-word{font-weight:500;font-size:.8125rem;border:1px solid var(--line);border-radius:99px;padding:.1rem .6rem;margin-inline:.25rem;background:var(--sheet);white-space:nowrap}
.as-of{font-weight:400;color:var(--faint);font-size:.875rem}
.progress{display:grid;grid-template-columns:auto minmax(0,1fr) auto;gap:1.25rem 2rem;align-items:center}
.percent{font-size:clamp(2.25rem,1.5rem + 3vw,3.5rem);font-weight:680;letter-spacing:-.03em;line-height:1;min-width:4ch;font-variant-numeric:tabular-nums}
.progress .bar{height:1.1rem;margin-bottom:.7rem}
.line{min-height:1.5em}
.panel .line.note{margin-top:0}
.button{display:inline-flex;align-items:center;min-height:2.75rem;padding:0 1.1rem;border-radius:.5rem;background:var(--ink);color:var(--ground);font-weight:600;text-decoration:none;white-space:nowrap}
.button:hover{opacity:.86}
.story{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:1rem;margin-bottom:2rem}
.panel{background:var(--sheet);border:1px solid var(--line);border-radius:.875rem;padding:1.25rem;min-width:0}
.wide{grid-column:1/-1}
.panel .note{margin-top:.6rem}
.calm{background:var(--calm)}
.calm h2{margin-bottom:.25rem}
.calm .i{color:var(--good)}
.needs{background:var(--alarm);border-color:color-mix(in srgb,var(--bad) 32%,var(--line))}
.needs h2 .i{color:var(--bad)}
.needs>ol{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr));gap:1.25rem 2rem}
.needs li{min-width:0}
.needs ol p{color:var(--faint);font-size:.9375rem;margin-top:.15rem}
.links a{color:var(--ink)}
p.command{margin-top:.6rem}
.steps{margin-top:.6rem;display:grid;gap:.5rem}
.when{display:block;font-size:.8125rem;color:var(--faint);margin-bottom:.15rem}
.command{display:flex;align-items:stretch;background:var(--sheet);border:1px solid var(--line);border-radius:.5rem;overflow:hidden}
.command code{flex:1;min-width:0;padding:.5rem .75rem;user-select:all;-webkit-user-select:all;white-space:pre-wrap}
button{font:inherit;color:inherit}
.command button{border:0;border-inline-start:1px solid var(--line);background:none;padding:0 .9rem;min-height:2.75rem;font-size:.8125rem;font-weight:600;cursor:pointer}
.command button:hover{background:var(--ground)}
.command button:focus-visible{outline-offset:-3px}
.bar{display:block;width:100%;height:.75rem;border-radius:99px;background:var(--line);margin-bottom:.9rem;overflow:hidden}
.bar rect{fill:currentColor;transition:x .4s,width .4s}
.s-stored,.s-charged{color:var(--good)}
.s-failed{color:var(--bad)}
.s-in_doubt,.s-unknown{color:var(--doubt)}
.s-working,.s-submitting,.s-rendering,.s-downloading,.s-reserved{color:var(--work)}
.s-queued,.s-skipped,.s-cancelled,.s-waived{color:var(--rest)}
.swatch{display:inline-block;width:.7em;height:.7em;border-radius:.2em;background:currentColor;margin-inline-end:.45em}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
caption{text-align:start;padding-bottom:.4rem}
th,td{padding:.45rem .75rem .45rem 0;text-align:start;vertical-align:top;border-top:1px solid var(--line)}
th{font-weight:500;overflow-wrap:break-word}
thead th{font-size:.8125rem;color:var(--faint);border:0;white-space:nowrap}
tfoot th,tfoot td{font-weight:650;border-top-width:2px}
th:last-child,td:last-child{padding-inline-end:0}
.sums td,.n{text-align:end;white-space:nowrap}
.sums td{font-weight:600}
.sums small{margin-inline-start:.25rem}
.rows small{display:block}
td q{quotes:none;color:var(--faint)}
.state{font-weight:600}
.state>.i:first-child{margin-inline-end:.4em}
.n+td:not(.n),.n+th:not(.n){padding-inline-start:1.25rem}
.course{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr));gap:.45rem 2rem}
.course>div{display:grid;grid-template-columns:6.5rem minmax(0,1fr);gap:.75rem}
dt{color:var(--faint)}
.sheet h2{font-size:1.25rem}
.sheet>.note{margin-bottom:1rem}
.tools{display:flex;flex-wrap:wrap;gap:.75rem 1.25rem;align-items:center;margin-bottom:1rem}
fieldset{border:0;padding:0;margin:0;min-width:0;display:flex;flex-wrap:wrap;gap:.4rem}
legend{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
.chip{display:inline-flex;align-items:center;gap:.4em;min-height:2.25rem;padding:0 .85rem;border:1px solid var(--line);border-radius:99px;background:var(--sheet);font-size:.875rem;font-weight:500;cursor:pointer;position:relative}
.chip.s-all,.chip.s-reused,.chip.s-shared{color:var(--ink)}
.chip b{font-weight:500;color:var(--faint)}
.chip input{position:absolute;inset:0;opacity:0;margin:0;cursor:pointer}
.chip:has(:checked){border-color:currentColor;box-shadow:inset 0 0 0 1px currentColor}
.chip:has(:checked) b{color:inherit}
.chip:has(:focus-visible){outline:2px solid var(--focus);outline-offset:2px}
.search{display:flex;align-items:center;gap:.5rem;font-size:.875rem;color:var(--faint);flex:1 1 14rem;max-width:24rem}
.search input{flex:1;min-width:0;min-height:2.25rem;font:inherit;font-size:1rem;color:var(--ink);background:var(--sheet);border:1px solid var(--line);border-radius:99px;padding:0 .9rem}
.clips{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(13.5rem,calc(50% - .5rem)),1fr));gap:1.25rem 1rem}
.clip{min-width:0;display:grid;grid-template-rows:auto auto auto;align-content:start;gap:.2rem;scroll-margin:1rem}
.many .clip{content-visibility:auto;contain-intrinsic-size:auto 24rem}
.clip:target{display:grid!important;outline:2px solid var(--focus);outline-offset:6px;border-radius:.25rem}
.miss{display:none}
[hidden]{display:none!important}
.flat{--frame:16/9}.flattish{--frame:4/3}.square{--frame:1}.tall{--frame:9/16}
.tall.clips{grid-template-columns:repeat(auto-fill,minmax(min(10.5rem,calc(50% - .5rem)),1fr))}
.frame{position:relative;display:grid;place-items:center;aspect-ratio:var(--frame,1);background:var(--mat);border-radius:.5rem;overflow:hidden;color:#c9cbd1;text-decoration:none;margin-bottom:.4rem}
.frame img,.frame video{position:absolute;inset:0;width:100%;height:100%;object-fit:contain}
.frame video{background:#000}
.shape{position:absolute;inset:0;width:100%;height:100%;stroke:#84878f;fill:none;stroke-width:1.2}
.shape rect{stroke-dasharray:3 2.4;fill:#ffffff0a}
.shape use{stroke:#c9cbd1;stroke-width:1.6;stroke-linecap:round;stroke-linejoin:round}
.none{position:absolute;inset:auto .6rem .6rem;font-size:.75rem;line-height:1.3;text-align:center;color:#c9cbd1}
.play{position:absolute;inset:auto auto .6rem .6rem;width:2.25rem;height:2.25rem;border-radius:50%;display:grid;place-items:center;background:#000000b3;color:#fff;border:1px solid #ffffff59}
a.frame:hover .play{background:#fff;color:#000}
.clip h3{font-size:.9375rem;line-height:1.3}
.clip h3 small{margin-inline-start:.15rem}
.clip .state{font-size:.8125rem}
.tag{color:var(--faint);font-weight:400;margin-inline-start:.4em}
.tag .i{margin-inline-end:.3em}
.why{font-size:.8125rem;line-height:1.4}
.why b{font-weight:600}
.terms{font-size:.8125rem;color:var(--faint);display:flex;flex-wrap:wrap;column-gap:.75em;font-variant-numeric:tabular-nums}
details{font-size:.8125rem;line-height:1.45;min-width:0}
summary{cursor:pointer;list-style-position:outside;margin-inline-start:1em}
summary::marker{color:var(--faint)}
details[open] summary{color:var(--faint)}
.prompt{white-space:pre-wrap;margin:.4rem 0;padding:.6rem .7rem;background:var(--sheet);border:1px solid var(--line);border-radius:.4rem;max-height:22rem;overflow:auto;unicode-bidi:plaintext}
.clip dl{font-size:.75rem;margin:.4rem 0 .6rem}
.clip dd{margin-bottom:.3rem}
.bottom{margin-top:2.5rem;padding-top:1rem;border-top:1px solid var(--line);font-size:.8125rem;color:var(--faint)}
.bottom p+p{margin-top:.25rem}
@media (max-width:56rem){.story{grid-template-columns:minmax(0,1fr)}}
@media (max-width:40rem){
.progress{grid-template-columns:minmax(0,1fr)}
.rows,.rows tbody,.rows tfoot,.rows tr,.rows th,.rows td,.rows caption{display:block;text-align:start;border:0;padding:0}
.rows thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
.rows tr{border-top:1px solid var(--line);padding:.7rem 0}
.rows tfoot tr{border-top-width:2px}
.rows th{font-weight:650;margin-bottom:.2rem}
.rows td,.rows .n+td:not(.n){padding:0}
.rows td{display:grid;grid-template-columns:7rem minmax(0,1fr);gap:.75rem;white-space:normal;font-size:.9375rem}
.rows td:not([data-label]){display:none}
.rows td::before{content:attr(data-label);color:var(--faint);font-weight:400}
.sums small{display:block;margin:0}
.clips{gap:1rem .75rem}
.panel{padding:1rem}
.tools{align-items:stretch;flex-direction:column}
.search{max-width:none;flex:none}
}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}.bar rect{transition:none}}
@media print{
:root{color-scheme:light;font-size:76%}
body{padding:0;background:none;max-width:none;print-color-adjust:exact;-webkit-print-color-adjust:exact}
.story{grid-template-columns:repeat(2,minmax(0,1fr))}
.tools,.play,.command button,.hint,.button{display:none}
.panel,.clip,tr,.needs li{break-inside:avoid}
.panel{background:none}
h2,h3{break-after:avoid}
.clips{grid-template-columns:repeat(5,minmax(0,1fr))}
.many .clip{content-visibility:visible}
.frame{background:none;border:1px solid var(--line)}
.shape use,.none{color:var(--rest)}
.shape use{stroke:var(--rest)}
summary{list-style:none;margin:0}
a{text-decoration:none}
}
@page{margin:14mm}
`;

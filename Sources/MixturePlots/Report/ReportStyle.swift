// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// How the report's page looks: two schemes, one column on phones, and on paper.
let reportStyle = #"""
  :root {
    color-scheme: light;
    --ground: #ffffff; --page: #f4f5f7; --ink: #16191d; --soft: #555d66; --faint: #b9c0c8; --rule: #dfe3e8;
    --bar: #cfd5db; --halo: #111417; --hot: #c2255c; --accent: #0b5cad; --press: #e8f1fb; --notice: #fff6df; --notice-edge: #c98a00;
  }
  :root[data-scheme=dark] {
    color-scheme: dark;
    --ground: #15181c; --page: #0d0f12; --ink: #eceff2; --soft: #a4adb7; --faint: #4d565f; --rule: #2b3138;
    --bar: #3f4851; --halo: #000000; --hot: #ff6b9a; --accent: #79b8ff; --press: #1b2c40; --notice: #2e2610; --notice-edge: #d9a520;
  }
  * { box-sizing: border-box; }
  html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
  body {
    margin: 0; background: var(--page); color: var(--ink);
    font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  }
  .sheet { max-width: 1180px; margin: 0 auto; padding: 28px 24px 56px; }
  header { display: grid; grid-template-columns: 1fr auto; gap: 4px 20px; align-items: start; margin-bottom: 22px; }
  h1 { font-size: 28px; line-height: 1.2; margin: 0; letter-spacing: -0.015em; overflow-wrap: anywhere; }
  h2 { font-size: 19px; line-height: 1.3; margin: 0 0 12px; letter-spacing: -0.005em; }
  p { margin: 0 0 12px; max-width: 74ch; }
  .subtitle { grid-column: 1 / -1; color: var(--soft); margin: 0; font-size: 14px; overflow-wrap: anywhere; }
  code, pre, .subtitle.command { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
  .subtitle.command { font-size: 13px; }
  .command span { display: inline-block; max-width: 100%; overflow-wrap: anywhere; }
  .summary { grid-column: 1 / -1; font-size: 17px; margin: 10px 0 0; max-width: 82ch; }
  section { background: var(--ground); border: 1px solid var(--rule); border-radius: 10px; padding: 20px 22px; margin-bottom: 18px; }
  .notices { list-style: none; margin: 0 0 18px; padding: 12px 16px; background: var(--notice); border-left: 4px solid var(--notice-edge); border-radius: 4px; }
  .notices li + li { margin-top: 6px; }
  .note + .scroll { margin-top: 16px; }
  .note { color: var(--soft); font-size: 14px; margin: 10px 0 0; }
  .bar { display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: center; margin-bottom: 12px; }
  .player { margin: 12px 0 0; }
  button, select {
    font: inherit; font-size: 14px; color: var(--ink); background: var(--ground); border: 1px solid var(--faint);
    border-radius: 7px; min-height: 40px; padding: 0 12px; cursor: pointer; max-width: 100%;
  }
  button:hover, select:hover { border-color: var(--accent); }
  button[aria-pressed=true] { background: var(--press); border-color: var(--accent); }
  #play { min-width: 104px; font-weight: 600; }
  .player button { min-width: 44px; padding: 0 8px; display: inline-flex; gap: 8px; align-items: center; justify-content: center; }
  .player svg { width: 16px; height: 16px; fill: currentColor; flex: none; }
  #play .pause, #play[data-playing=true] .start { display: none; }
  #play[data-playing=true] .pause { display: inline; }
  label { white-space: nowrap; display: inline-flex; gap: 7px; align-items: center; font-size: 14px; min-height: 40px; cursor: pointer; }
  label select { min-width: 0; }
  input[type=checkbox] { width: 18px; height: 18px; accent-color: var(--accent); margin: 0; }
  input[type=range] { flex: 1 1 180px; min-width: 120px; height: 40px; accent-color: var(--accent); margin: 0; }
  :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
  .now { font-variant-numeric: tabular-nums; font-weight: 600; font-size: 15px; flex: 0 0 auto; min-width: 21em; text-align: right; }
  figure { margin: 0; min-width: 0; }
  figcaption { font-size: 14px; font-weight: 600; margin: 0 0 6px; }
  canvas { display: block; touch-action: pan-y; }
  #trace, #weights { cursor: crosshair; touch-action: none; }
  .two { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 18px 24px; }
  .many { display: grid; grid-template-columns: repeat(auto-fit, minmax(250px, 1fr)); gap: 14px 20px; }
  .scroll { overflow-x: auto; -webkit-overflow-scrolling: touch; }
  table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
  th, td { text-align: right; padding: 7px 12px; border-bottom: 1px solid var(--rule); white-space: nowrap; vertical-align: top; }
  th { font-weight: 600; color: var(--soft); }
  th:first-child, td:first-child { text-align: left; padding-left: 0; }
  td.words, th.words { text-align: left; }
  tr.chosen td { background: var(--press); font-weight: 600; }
  tr.chosen td:first-child { padding-left: 8px; }
  .spread { color: var(--soft); }
  .chip { display: inline-block; width: 14px; height: 14px; border-radius: 50%; margin-right: 8px; vertical-align: -2px; border: 1px solid var(--halo); }
  details { border-top: 1px solid var(--rule); }
  .after-table details:first-of-type { border-top: 0; }
  summary { cursor: pointer; padding: 9px 0; font-size: 14px; min-height: 40px; }
  details table { margin: 0 0 12px; }
  details h3 { font-size: 14px; margin: 6px 0; color: var(--soft); font-weight: 600; }
  dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: 14px 20px; margin: 0; }
  dt { color: var(--soft); font-size: 13px; }
  dd { margin: 0; font-size: 16px; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
  pre { background: var(--page); border: 1px solid var(--rule); border-radius: 7px; padding: 12px 14px; overflow-x: auto; font-size: 13.5px; line-height: 1.5; margin: 0 0 14px; }
  .picture img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: 6px; }
  .picture { margin: 0 0 14px; }
  .picture figcaption { font-weight: 400; color: var(--soft); margin: 6px 0 0; }
  #tip { position: fixed; z-index: 3; background: var(--ink); color: var(--ground); font-size: 13px; line-height: 1.4; padding: 7px 10px; border-radius: 6px; pointer-events: none; max-width: 260px; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
  .strong { font-weight: 700; }
  footer { color: var(--soft); font-size: 13px; }
  kbd { font: inherit; font-size: 12px; border: 1px solid var(--faint); border-radius: 4px; padding: 0 5px; }
  @media (max-width: 760px) {
    .two { grid-template-columns: minmax(0, 1fr); }
  }
  @media (max-width: 640px) {
    .sheet { padding: 16px 10px 40px; }
    section { padding: 14px 12px; border-radius: 8px; }
    h1 { font-size: 22px; }
    .summary { font-size: 16px; }
    button, select, label, summary { min-height: 44px; }
    .now { min-width: 0; text-align: left; flex: 1 1 100%; order: -1; }
    input[type=range] { flex-basis: 100%; height: 44px; }
    .keys { display: none; }
    dl { grid-template-columns: repeat(2, minmax(0, 1fr)); }
    th, td { padding: 7px 9px; }
    .bar { gap: 6px 12px; }
    #play { flex: 1 1 100px; }
    label.wide { flex: 1 1 100%; min-width: 0; }
    label.wide select { flex: 1 1 0; width: 0; }
  }
  @media print {
    body { background: #fff; font-size: 11pt; }
    .sheet { max-width: none; padding: 0; }
    section { border: 0; padding: 0; margin: 0 0 18pt; break-inside: avoid; }
    .bar.player button, input[type=range], .bar.view, #scheme, .keys, #tip { display: none; }
    .scroll { overflow: visible; }
    canvas { max-width: 100%; height: auto !important; }
  }
  @media (prefers-reduced-motion: no-preference) {
    button, select { transition: border-color 0.12s, background-color 0.12s; }
  }
  """#

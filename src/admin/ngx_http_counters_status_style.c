
/*
 * Copyright (C) The nginx counters module authors
 *
 * How the status page looks, in light and in dark.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_counters_status.h"


const char  ngx_http_counters_status_style[] =
    ":root{color-scheme:light dark;--page:#f3f4f6;--card:#fff;--ink:#1b2229;"
    "--dim:#626d79;--line:#e3e6ea;--track:#e9ecf0;--ok:#1f9d63;"
    "--idle:#8b96a3;--warning:#c98a0c;--failing:#d1434b}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#14181d;--card:#1d232a;"
    "--ink:#e6eaee;--dim:#98a4b1;--line:#2c343d;--track:#2c343d;"
    "--ok:#3cbf83;--warning:#e5ac3a;--failing:#ee6a70}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:76rem;padding:1.5rem 1.25rem;"
    "background:var(--page);color:var(--ink);"
    "font:15px/1.45 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;"
    "font-variant-numeric:tabular-nums}\n"
    "header{display:flex;flex-wrap:wrap;align-items:baseline;gap:.25rem 1rem;"
    "margin-bottom:1rem}\n"
    "h1{font-size:1.35rem;margin:0}\n"
    "header p,footer{color:var(--dim);margin:0;font-size:.87rem}\n"
    ".health{display:flex;align-items:center;gap:.7rem;margin:0 0 1rem;"
    "padding:.7rem 1rem;border-radius:.6rem;background:var(--card);"
    "border:1px solid var(--line);border-left:.4rem solid var(--state);"
    "font-size:1.1rem;font-weight:600}\n"
    ".health::before{content:'';width:.7rem;height:.7rem;flex:none;"
    "border-radius:50%;background:var(--state)}\n"
    ".ok{--state:var(--ok)}.idle{--state:var(--idle)}\n"
    ".warning{--state:var(--warning)}.failing{--state:var(--failing)}\n"
    "main{display:grid;gap:1rem;"
    "grid-template-columns:repeat(auto-fit,minmax(min(19rem,100%),1fr))}\n"
    "section{background:var(--card);border:1px solid var(--line);"
    "border-radius:.6rem;padding:.9rem 1rem .7rem}\n"
    "h2{font-size:.78rem;letter-spacing:.06em;text-transform:uppercase;"
    "color:var(--dim);margin:0}\n"
    ".big{font-size:2rem;line-height:1.2;font-weight:650;margin:.2rem 0 0}\n"
    ".big small{font-size:1.1rem;font-weight:500;color:var(--dim)}\n"
    ".what{color:var(--dim);margin:0;font-size:.87rem;min-height:1.3em}\n"
    ".bar{position:relative;display:flex;gap:1px;height:.6rem;"
    "margin:.6rem 0 .5rem;border-radius:.3rem;background:var(--track);"
    "overflow:hidden}\n"
    ".bar i{flex-basis:0;min-width:2px}\n"
    ".bar .mark{position:absolute;top:0;bottom:0;width:2px;min-width:0;"
    "background:var(--ink)}\n"
    "dl{margin:0}\n"
    "dl div{display:flex;justify-content:space-between;gap:1rem;"
    "padding:.22rem 0;border-top:1px solid var(--line)}\n"
    "dl div:first-child{border-top:0}\n"
    "dt{color:var(--dim)}dd{margin:0;white-space:nowrap}\n"
    "dt b{font-weight:500;font-size:.74rem;letter-spacing:.02em}\n"
    "dt i{display:inline-block;width:.6rem;height:.6rem;margin-right:.5rem;"
    "border-radius:.15rem}\n"
    ".zero dd{color:var(--dim)}\n"
    "footer{margin-top:1rem}\n";

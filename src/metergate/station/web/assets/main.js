// What every page has: themes, rail, keyboard, live values and parts. Pages are readable without.
import "htmx.org";
import "uplot/dist/uPlot.min.css";
import "./tokens.css";
import "./frame.css";
import "./parts.css";
import "./pages.css";
import "./charts.css";
import "./frame.js";
import "./keyboard.js";
import "./pick.js";
import "./live.js";

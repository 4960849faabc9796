// Bundles the station's pages and picks the icons that they use into one file.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const web = resolve(import.meta.dirname, "src/metergate/station/web");
const assets = resolve(web, "assets");

function icons() {
  const shape = (name) =>
    readFileSync(resolve(import.meta.dirname, `node_modules/lucide-static/icons/${name}.svg`), "utf8")
      .replace(/<!--.*?-->/s, "")
      .replace(/<svg[^>]*>|<\/svg>/g, "")
      .replace(/\s+/g, " ")
      .trim();
  return {
    name: "icons",
    generateBundle() {
      const names = readFileSync(resolve(assets, "icons.txt"), "utf8").split("\n").filter(Boolean);
      const source = JSON.stringify(Object.fromEntries(names.map((name) => [name, shape(name)])));
      this.emitFile({ type: "asset", fileName: "icons.json", source });
    },
  };
}

export default {
  root: assets,
  base: "/static/web/dist/",
  plugins: [icons()],
  build: {
    outDir: resolve(web, "static/web/dist"),
    emptyOutDir: true,
    manifest: "manifest.json",
    modulePreload: { polyfill: false },
    rollupOptions: {
      onwarn: (warning, warn) => warning.code === "EVAL" || warn(warning),
      input: ["main.js", "chart.js", "workbench.js"].map((name) => resolve(assets, name)),
    },
  },
};

// The hierarchy of the clusters: a tree to open, and to cut anywhere.
"use strict";
(() => {
latentlab.tree = {start() {}};
})();

/** A share of one as a person reads it; small ones do not become zero. */
function percent(share) {
  if (share === null || share === undefined) return "no value";
  const value = share * 100;
  if (value > 0 && value < 0.1) return "under 0.1 %";
  if (value > 99.9 && value < 100) return "over 99.9 %";
  return `${value.toFixed(value < 10 && value > 0 ? 1 : 0)} %`;
}

function number(count) {
  return count.toLocaleString("en");
}

function counted(count, what, plural = `${what}s`) {
  return `${number(count)} ${count === 1 ? what : plural}`;
}

/** The name of a class. */
function className(run, index) {
  return run.categories[index] ?? `class ${index}`;
}

/** What a folder is called, without the number that ImageNet puts in front. */
function labelName(label) {
  return label.replace(/^n\d{8}[_ -]/, "").replace(/_/g, " ");
}

const METHODS = {
  gradcam: "Grad-CAM",
  "gradcam++": "Grad-CAM++",
  hirescam: "HiResCAM",
  elementwisecam: "Element-wise CAM",
  xgradcam: "XGrad-CAM",
  layercam: "LayerCAM",
  eigencam: "Eigen-CAM",
  eigengradcam: "Eigen-Grad-CAM",
  kpcacam: "KPCA-CAM",
  "smoothgradcam++": "Smooth Grad-CAM++",
  shapleycam: "ShapleyCAM",
  finercam: "Finer-CAM",
  scorecam: "Score-CAM",
  sscam: "SS-CAM",
  iscam: "IS-CAM",
  ablationcam: "Ablation-CAM",
  legrad: "LeGrad",
  randomcam: "random map",
};

function methodName(name) {
  return METHODS[name] ?? name;
}

/** Which part of a picture a place lies in. */
function whereabouts(x, y) {
  const row = ["top", "", "bottom"][min(floor(y * 3), 2)];
  const column = ["left", "", "right"][min(floor(x * 3), 2)];
  return [row, column].filter(Boolean).join(" ") || "middle";
}

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

/** What is shown of one image. */
function imageParts(data, place, known) {
  return [
    viewer(data, known, pictureOf(data.entries, place)),
    section("What the model says", probabilities(data, place, known)),
    section("About this image", imageFacts(data, place, known)),
  ];
}

/** What is known of one image, but for its maps. */
function imageFacts({ run, entries }, place, known) {
  return definitions([
    ["File", known.id],
    ["The folder says", known.label === undefined ? undefined : labelName(known.label)],
    ["The model says", className(run, known.top[0][0])],
    ["Right", [undefined, "yes", "no"][entries.verdict[place]]],
    ["Probability of the folder's class", known.label_p === undefined ? undefined : percent(known.label_p)],
    ["Size of the file", `${known.size[0]} × ${known.size[1]}`],
    ["Seen by the model as", `${known.view[0]} × ${known.view[1]}`],
    ["To read it", (known.notes ?? []).join(", ")],
  ]);
}

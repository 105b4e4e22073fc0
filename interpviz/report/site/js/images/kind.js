/** What differs between reports of images and of texts, in words and in deeds. */
const KIND = {
  one: "image",
  title: "Image report",
  file: "file",
  own: "folder",
  labelled: "in folders that name a class",
  others: (count) => `The other ${number(count)} are in no folder that names a class of the model.`,
  failureTitles: ["File", "Folder", "Reason"],
  inOrder: "as the files",
  list: "images.html",
  page: "image.html",
  mistakes: "mistakes.html",
  nameOf: labelName,
  known: record,
  titleOf: ({ id }) => id.split("/").pop(),
  parts: imageParts,
  item: tile,
  strip,
  listOf: (data) => new Grid(data),
  captionOf: (data, order) => (Object.hasOwn(VALUES, order) ? valueLine(order) : undefined),
  pages: {
    overview,
    images: listPage,
    image: entryPage,
    mistakes: mistakesPage,
    classes: classesPage,
    failures: failuresPage,
    about: aboutPage,
  },
};

const MEASURES = {
  confidence: { title: "Confidence", unit: 100, tell: percent, hint: "How sure the model was of what it said." },
  label_p: { title: "Probability of the folder's class", unit: 100, tell: percent, hint: "What the model gave to the class that the folder names." },
  spread: {
    title: "Spread of the map",
    unit: 100,
    tell: percent,
    hint: "The share of the picture that holds half of the heat map: small where the model looked at one spot.",
  },
  outside: { title: "Outside of the object", unit: 100, tell: percent, hint: "The share of the heat map that lies outside of the object's mask." },
};

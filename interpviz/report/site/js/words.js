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

/** A word as it begins a title. */
function titled(word) {
  return word[0].toUpperCase() + word.slice(1);
}

/** The name of a class. */
function className(run, index) {
  return run.categories[index] ?? `class ${index}`;
}

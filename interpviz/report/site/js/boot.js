const PAGES = {
  overview,
  images: imagesPage,
  image: imagePage,
  mistakes: mistakesPage,
  classes: classesPage,
  failures: failuresPage,
  about: aboutPage,
};

function problem(error) {
  return make("p", { class: "iv-problem", role: "alert" }, error.message);
}

/** The header names the model, where the shell has a name for all reports. */
function nameReport({ run }) {
  const header = document.querySelector("[data-md-component=header-title] .md-ellipsis");
  if (header) header.textContent = run.model;
  document.title = document.title.replace("Image report", run.model);
}

async function start() {
  const page = document.querySelector("[data-report]");
  if (!page) return;
  try {
    const data = await everything();
    nameReport(data);
    page.replaceChildren(...(await PAGES[page.dataset.report](data)));
  } catch (error) {
    page.replaceChildren(problem(error));
  }
  performance.mark("interpviz-drawn");
}

start();

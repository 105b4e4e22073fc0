const TEXT_PAGES = { index: textOverview, texts: textsPage, text: textPage, heads: headsPage, failures: textFailures, about: textAbout };

function textProblem(error) {
  return make("p", { class: "iv-problem", role: "alert" }, error.message);
}

async function startTexts() {
  const page = document.querySelector("[data-report]");
  if (!page) return;
  try {
    const data = await everyText();
    const header = document.querySelector("[data-md-component=header-title] .md-ellipsis");
    if (header) header.textContent = data.run.model;
    document.title = document.title.replace("Text report", data.run.model);
    page.replaceChildren(...(await TEXT_PAGES[page.dataset.report](data)));
  } catch (error) {
    page.replaceChildren(textProblem(error));
  }
  performance.mark("interpviz-drawn");
}

startTexts();

function problem(error) {
  return make("p", { class: "iv-problem", role: "alert" }, error.message);
}

/** The header names the model, where the shell has a name for all reports. */
function nameReport({ run }) {
  const header = document.querySelector("[data-md-component=header-title] .md-ellipsis");
  if (header) header.textContent = run.model;
  document.title = document.title.replace(KIND.title, run.model);
}

async function start() {
  const page = document.querySelector("[data-report]");
  if (!page) return;
  try {
    const data = await everything();
    nameReport(data);
    page.replaceChildren(...(await KIND.pages[page.dataset.report](data)));
  } catch (error) {
    page.replaceChildren(problem(error));
  }
  performance.mark("interpviz-drawn");
}

start();

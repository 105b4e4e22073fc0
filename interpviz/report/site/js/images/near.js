const awaited = new WeakMap();
const nearness = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      nearness.unobserve(target);
      awaited.get(target)();
    }
  },
  { rootMargin: "400px" },
);

/** Calls back once, when an element comes near to the part of the page that is seen. */
function whenNear(element, act) {
  awaited.set(element, act);
  nearness.observe(element);
}

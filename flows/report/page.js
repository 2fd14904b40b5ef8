// Draws each chart from its specification; the colours follow light and dark mode by CSS.
for (const place of document.querySelectorAll(".chart")) {
  const spec = JSON.parse(place.firstElementChild.textContent);
  const options = { actions: false, renderer: "svg", tooltip: { theme: "page" } };
  vegaEmbed(place, spec, options).then(
    () => place.setAttribute("data-drawn", ""),
    (error) => console.error(error),
  );
}
const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries.filter((entry) => entry.isIntersecting)) {
      for (const [name, link] of links) link.classList.toggle("here", name === entry.target.id);
    }
  },
  { rootMargin: "-10% 0px -75% 0px" },
);
document.querySelectorAll("main section").forEach((section) => watcher.observe(section));

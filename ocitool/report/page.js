const said = document.body.appendChild(document.createElement("p"));
said.className = "unseen";
said.setAttribute("role", "status");
for (const code of document.querySelectorAll("code.digest")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "copy";
  button.setAttribute("aria-label", `copy ${code.title}`);
  button.addEventListener("blur", () => { button.textContent = "copy"; });
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.title);
      button.textContent = "copied";
      said.textContent = `copied ${code.title}`;
    } catch {
      code.textContent = code.title;
      getSelection().selectAllChildren(code);
      said.textContent = "selected, since it cannot be copied from here";
    }
  });
  code.after(" ", button);
}
